// question-answering: the spans of a context that answer a question. Long contexts are read in overlapping
// windows. The input's text is the question, its pair the context.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/tasks/question_answering.h"
#include "runtime/tasks/task_types.h"
#include "runtime/tasks/unicode.h"

namespace attend::tasks {
namespace {

constexpr std::int32_t kDefaultMaxSeqLen = 384;
constexpr std::int32_t kDefaultDocStride = 128;
constexpr std::int64_t kMaxTopK = 1 << 20;

struct Answer {
  double score = 0;
  std::int32_t start = 0, end = 0;  // of the context in code points; end exclusive
  std::string text{};
};

// Spans widen to whole words, so that several become the same answer: more are taken than asked for.
std::size_t candidates(const TaskOptions& options) {
  const auto top_k = static_cast<std::size_t>(std::min(options.top_k.value_or(1), kMaxTopK));
  return options.align_to_words ? top_k * 2 + 10 : top_k;
}

// Code points that a token's word covers in this window; the token's own where there are no words.
std::pair<std::int32_t, std::int32_t> word_range(const Encoding& window, std::size_t token) {
  if (token >= window.word_ids.size() || window.word_ids[token] < 0) return window.offsets[token];
  const auto same_word = [&](std::size_t i) {
    return window.sequence_ids[i] == 1 && window.word_ids[i] == window.word_ids[token];
  };
  std::size_t first = token, last = token;
  while (first > 0 && same_word(first - 1)) --first;
  while (last + 1 < window.ids.size() && same_word(last + 1)) ++last;
  return {window.offsets[first].first, window.offsets[last].second};
}

class QuestionAnswering : public Task {
 public:
  explicit QuestionAnswering(TaskContext context) : context_(std::move(context)) {
    const auto& options = context_.options();
    const auto positive = [](std::string_view option, std::int64_t value) {
      if (value >= 1) return;
      throw usage_error("OPTION_VALUE", std::string(option),
                        fmt::format("expected 1 or more, found {}", value));
    };
    positive("top_k", options.top_k.value_or(1));
    positive("max_answer_len", options.max_answer_len);
    positive("max_question_len", options.max_question_len.value_or(1));
    set_window();
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_candidates(input);
    if (input.ids) return context_.ids_plan(input);
    if (!input.pair)
      throw Error("PAIR_MISSING", "pair", "expected a question and a context, found a single text");
    if (input.text.empty())
      throw Error("EMPTY_INPUT", "question", "expected a question, found an empty text");
    if (input.pair->empty()) throw Error("EMPTY_INPUT", "context", "expected a context, found an empty text");
    TaskPlan plan{.input = input};
    plan.encodings = windows(shortened_question(input.text), *input.pair);
    for (const Encoding& window : plan.encodings) {
      if (window.offsets.size() != window.ids.size() || window.sequence_ids.size() != window.ids.size()) {
        throw Error("OFFSETS_MISSING", "tokenizer",
                    "answers need a tokenizer that gives offsets, found none");
      }
      plan.inputs.push_back(context_.model_input(window));
    }
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const auto& options = context_.options();
    const CodePoints text(plan.input.pair ? std::string_view(*plan.input.pair) : std::string_view());
    std::vector<Answer> answers;
    std::unordered_map<std::string, std::size_t> by_text;
    double null_score = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
      const auto starts = token_output(plan, outputs, i, 0);
      const auto ends = token_output(plan, outputs, i, 1);
      if (starts.columns != 1 || ends.columns != 1) {
        throw internal_error("MODEL_OUTPUT",
                             "expected start_logits and end_logits with one number per token");
      }
      const WindowSpans window =
          best_spans(starts.values, ends.values, mask(plan, i), candidates(options), options.max_answer_len);
      null_score = std::min(null_score, window.null_score);
      for (const AnswerSpan& span : window.spans) {
        Answer found = answer(plan, i, span, text);
        if (plan.encodings.empty()) {
          answers.push_back(std::move(found));
        } else {
          add(answers, by_text, std::move(found));
        }
      }
    }
    if (options.handle_impossible_answer) answers.push_back({.score = null_score});
    std::stable_sort(answers.begin(), answers.end(),
                     [](const Answer& a, const Answer& b) { return a.score > b.score; });
    if (answers.empty()) answers.emplace_back();  // a context of white space has no words to answer with
    answers.resize(result_count(options.top_k, 1, answers.size()));
    TaskValue::Array values;
    for (Answer& found : answers) values.push_back(value(plan, std::move(found)));
    if (values.size() == 1) return std::move(values.front());
    return values;
  }

 private:
  void set_window() {
    const auto& options = context_.options();
    const std::int32_t limit = context_.max_tokens();
    max_seq_len_ =
        options.max_seq_len.value_or(limit > 0 ? std::min(limit, kDefaultMaxSeqLen) : kDefaultMaxSeqLen);
    if (max_seq_len_ < 1 || (limit > 0 && max_seq_len_ > limit)) {
      throw usage_error(
          "OPTION_VALUE", "max_seq_len",
          fmt::format("expected 1 to {} tokens, which the model takes; found {}", limit, max_seq_len_));
    }
    doc_stride_ = options.doc_stride.value_or(std::min(max_seq_len_ / 2, kDefaultDocStride));
    if (doc_stride_ < 0 || doc_stride_ > max_seq_len_) {
      throw usage_error("OPTION_VALUE", "doc_stride",
                        fmt::format("expected 0 to max_seq_len, {}; found {}", max_seq_len_, doc_stride_));
    }
  }

  std::string shortened_question(const std::string& question) const {
    const auto& limit = context_.options().max_question_len;
    if (!limit) return question;
    EncodeOptions options;
    options.add_special_tokens = false;
    const Encoding encoding = context_.require_tokenizer().encode(question, options);
    const auto tokens = static_cast<std::size_t>(*limit);
    if (encoding.ids.size() <= tokens) return question;
    if (encoding.offsets.size() != encoding.ids.size()) {
      throw Error("OFFSETS_MISSING", "tokenizer",
                  "max_question_len needs a tokenizer that gives offsets, found none");
    }
    return std::string(CodePoints(question).slice(0, encoding.offsets[tokens - 1].second));
  }

  std::vector<Encoding> windows(const std::string& question, const std::string& context) const {
    const Tokenizer& tokenizer = context_.require_tokenizer();
    EncodeOptions options;
    options.pair = context;
    Encoding whole = tokenizer.encode(question, options);
    std::vector<Encoding> all;
    if (whole.ids.size() <= static_cast<std::size_t>(max_seq_len_)) {
      all.push_back(std::move(whole));
      return all;
    }
    const auto of_context = std::count(whole.sequence_ids.begin(), whole.sequence_ids.end(), 1);
    const std::int64_t others = static_cast<std::int64_t>(whole.ids.size()) - of_context;
    if (max_seq_len_ - others <= doc_stride_) {
      throw Error(
          "QUESTION_TOO_LONG", "question",
          fmt::format("the question and what is added to it have {} tokens; a window of {} (max_seq_len) "
                      "leaves {} for the context, but must hold more than the {} that windows share "
                      "(doc_stride): shorten the question, set max_question_len or lower doc_stride",
                      others, max_seq_len_, std::max<std::int64_t>(max_seq_len_ - others, 0), doc_stride_));
    }
    options.truncation = Truncation{
        .max_length = max_seq_len_, .stride = doc_stride_, .strategy = Truncation::Strategy::only_second};
    Encoding first = tokenizer.encode(question, options);
    std::vector<Encoding> rest = std::move(first.overflowing);
    all.push_back(std::move(first));
    for (Encoding& window : rest) all.push_back(std::move(window));
    return all;
  }

  // The context may be answered with. The classification token takes part in the softmax: models that know
  // unanswerable questions put their score there.
  WindowMask mask(const TaskPlan& plan, std::size_t input) const {
    const ModelInput& sequence = plan.inputs[input];
    const auto cls =
        context_.tokenizer() == nullptr ? std::nullopt : context_.tokenizer()->special_token_ids().cls;
    // Ids alone do not say where the context is: their second type, or without one all of them.
    const bool typed =
        std::find(sequence.type_ids.begin(), sequence.type_ids.end(), 1) != sequence.type_ids.end();
    WindowMask mask;
    for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
      bool context = false;
      if (!plan.encodings.empty()) {
        context = plan.encodings[input].sequence_ids[i] == 1;
      } else {
        context = (!typed || sequence.type_ids[i] == 1) &&
                  (context_.tokenizer() == nullptr || !context_.tokenizer()->is_special(sequence.ids[i]));
      }
      mask.context.push_back(context);
      mask.scored.push_back(context || cls == sequence.ids[i]);
    }
    return mask;
  }

  Answer answer(const TaskPlan& plan, std::size_t input, const AnswerSpan& span,
                const CodePoints& text) const {
    Answer found{.score = span.score};
    if (plan.encodings.empty()) {
      found.start = static_cast<std::int32_t>(span.start);
      found.end = static_cast<std::int32_t>(span.end) + 1;
      return found;
    }
    const Encoding& window = plan.encodings[input];
    const bool align = context_.options().align_to_words;
    found.start = align ? word_range(window, span.start).first : window.offsets[span.start].first;
    found.end = align ? word_range(window, span.end).second : window.offsets[span.end].second;
    found.text = text.slice(found.start, found.end);
    return found;
  }

  // Answers of the same words, whatever their case, are one; their scores add up.
  static void add(std::vector<Answer>& answers, std::unordered_map<std::string, std::size_t>& by_text,
                  Answer found) {
    const auto [entry, is_new] = by_text.try_emplace(to_lower(found.text), answers.size());
    if (is_new) {
      answers.push_back(std::move(found));
    } else {
      answers[entry->second].score += found.score;
    }
  }

  // Of ids, start and end count tokens.
  static TaskValue value(const TaskPlan& plan, Answer found) {
    TaskValue::Object fields{{"score", found.score}, {"start", found.start}, {"end", found.end}};
    if (!plan.encodings.empty()) fields.push_back({"answer", std::move(found.text)});
    return fields;
  }

  static constexpr std::array<std::string_view, 2> kOutputs = {"start_logits", "end_logits"};
  TaskContext context_;
  std::int32_t max_seq_len_ = 0, doc_stride_ = 0;
};

}  // namespace

std::unique_ptr<Task> make_question_answering(TaskContext context) {
  return std::make_unique<QuestionAnswering>(std::move(context));
}

}  // namespace attend::tasks
