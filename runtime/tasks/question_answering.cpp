#include "runtime/tasks/question_answering.h"

#include <algorithm>
#include <limits>

#include "runtime/tasks/scores.h"

namespace attend::tasks {
namespace {

// Softmax over the scored tokens; 0 for the others.
std::vector<double> masked_softmax(std::span<const float> logits, const std::vector<bool>& scored) {
  std::vector<float> kept;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (scored[i]) kept.push_back(logits[i]);
  }
  const std::vector<double> scores = softmax(kept);
  std::vector<double> all(logits.size(), 0.0);
  std::size_t next = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (scored[i]) all[i] = scores[next++];
  }
  return all;
}

}  // namespace

WindowSpans best_spans(std::span<const float> start_logits, std::span<const float> end_logits,
                       const WindowMask& mask, std::size_t count, std::int32_t max_answer_len) {
  const std::vector<double> starts = masked_softmax(start_logits, mask.scored);
  const std::vector<double> ends = masked_softmax(end_logits, mask.scored);
  WindowSpans result;
  if (starts.empty()) return result;
  result.null_score = starts[0] * ends[0];

  // A heap of the best so far, its worst on top: of a long window only `count` spans are kept.
  const auto better = [](const AnswerSpan& a, const AnswerSpan& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.start != b.start ? a.start < b.start : a.end < b.end;
  };
  auto& heap = result.spans;
  for (std::size_t start = 1; start < starts.size(); ++start) {
    if (!mask.context[start]) continue;
    const std::size_t stop = std::min(starts.size(), start + static_cast<std::size_t>(max_answer_len));
    for (std::size_t end = start; end < stop; ++end) {
      const AnswerSpan span{start, end, starts[start] * ends[end]};
      if (!mask.context[end] || !(span.score > 0)) continue;
      if (heap.size() == count && !better(span, heap.front())) continue;
      if (heap.size() == count) {
        std::pop_heap(heap.begin(), heap.end(), better);
        heap.pop_back();
      }
      heap.push_back(span);
      std::push_heap(heap.begin(), heap.end(), better);
    }
  }
  std::sort_heap(heap.begin(), heap.end(), better);
  return result;
}

}  // namespace attend::tasks
