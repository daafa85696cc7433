// question-answering without a model: the best answer spans of one window of a context, as the
// question-answering pipeline of transformers 4.57 finds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace attend::tasks {

// Tokens [start, end], both inclusive.
struct AnswerSpan {
  std::size_t start = 0, end = 0;
  double score = 0;  // probability of the start times that of the end
};

struct WindowSpans {
  std::vector<AnswerSpan> spans;  // best first, all with a score above 0
  double null_score = 0;          // of the first token, which stands for "no answer"
};

// What a token may be: `scored` takes part in the softmax (the context and the classification token),
// `context` may be in an answer.
struct WindowMask {
  std::vector<bool> scored, context;
};

// The `count` best spans of at most `max_answer_len` tokens. The logits have one number per token.
WindowSpans best_spans(std::span<const float> start_logits, std::span<const float> end_logits,
                       const WindowMask& mask, std::size_t count, std::int32_t max_answer_len);

}  // namespace attend::tasks
