// token-classification: a label for every token of a text, or for the entities that they form.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/scores.h"
#include "runtime/tasks/task_types.h"
#include "runtime/tasks/token_classification.h"
#include "runtime/tasks/unicode.h"

namespace attend::tasks {
namespace {

class TokenClassification : public Task {
 public:
  explicit TokenClassification(TaskContext context) : context_(std::move(context)) {
    if (context_.tokenizer() != nullptr) {
      special_ = context_.tokenizer()->special_token_ids();
      subword_prefix_ = context_.tokenizer()->continuing_subword_prefix();
    }
    check_stride();
  }

  std::string_view name() const override { return context_.task(); }
  std::span<const std::string_view> outputs() const override { return kOutputs; }

  TaskPlan plan(const TaskInput& input) const override {
    context_.refuse_pair(input);
    context_.refuse_candidates(input);
    if (input.ids) return context_.ids_plan(input);
    if (!context_.options().stride) return context_.single_plan(input, TruncationOption::longest_first);
    TaskPlan plan{.input = input};
    plan.encodings = windows(input.text);
    for (const Encoding& encoding : plan.encodings) plan.inputs.push_back(context_.model_input(encoding));
    return plan;
  }

  TaskValue finish(const TaskPlan& plan, std::span<const ModelOutputs> outputs) const override {
    const CodePoints text(plan.input.text);
    std::vector<Entity> entities;
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
      const OutputRows logits = token_output(plan, outputs, i);
      std::vector<std::string> labels;
      for (std::size_t label = 0; label < logits.columns; ++label) {
        labels.push_back(context_.label(label, logits.columns));
      }
      const std::vector<PreEntity> tokens = plan.encodings.empty()
                                                ? tokens_of_ids(plan.inputs[i].ids, logits)
                                                : tokens_of_text(text, plan.encodings[i], logits);
      for (Entity& entity : aggregate(tokens, context_.options().aggregation_strategy, labels, to_string())) {
        if (!ignored(entity.entity)) entities.push_back(std::move(entity));
      }
    }
    if (plan.inputs.size() > 1) entities = aggregate_overlapping_entities(std::move(entities));
    TaskValue::Array values;
    for (Entity& entity : entities) values.push_back(value(std::move(entity)));
    return values;
  }

 private:
  void check_stride() const {
    const auto& stride = context_.options().stride;
    if (!stride) return;
    if (context_.options().aggregation_strategy == AggregationStrategy::none) {
      throw usage_error("OPTION_VALUE", "stride", "stride needs an aggregation_strategy other than none");
    }
    const std::int32_t limit = context_.max_tokens();
    if (*stride < 0 || (limit > 0 && *stride >= limit)) {
      throw usage_error(
          "OPTION_VALUE", "stride",
          fmt::format("expected fewer tokens than the model takes, {}; found {}", limit, *stride));
    }
  }

  std::vector<Encoding> windows(const std::string& text) const {
    const Tokenizer& tokenizer = context_.require_tokenizer();
    EncodeOptions options;
    const std::int32_t limit = context_.max_tokens();
    if (limit > 0) options.truncation = Truncation{.max_length = limit, .stride = *context_.options().stride};
    Encoding first = tokenizer.encode(text, options);
    if (first.ids.empty()) throw Error("EMPTY_INPUT", "text", "expected a text with tokens, found none");
    std::vector<Encoding> all;
    std::vector<Encoding> rest = std::move(first.overflowing);
    all.push_back(std::move(first));
    for (Encoding& window : rest) all.push_back(std::move(window));
    for (const Encoding& window : all) {
      if (all.size() > 1 && window.offsets.size() != window.ids.size()) {
        throw Error("OFFSETS_MISSING", "tokenizer",
                    "stride needs a tokenizer that gives offsets, found none");
      }
    }
    return all;
  }

  std::vector<PreEntity> tokens_of_text(const CodePoints& text, const Encoding& encoding,
                                        const OutputRows& logits) const {
    std::vector<PreEntity> tokens;
    const bool offsets = encoding.offsets.size() == encoding.ids.size();
    for (std::size_t i = 0; i < logits.rows; ++i) {
      if (i < encoding.sequence_ids.size() && encoding.sequence_ids[i] < 0)
        continue;  // added by the tokenizer
      PreEntity token = scored(encoding.ids[i], i, logits);
      if (offsets) place(token, text, encoding.offsets[i], special_.unk == encoding.ids[i]);
      tokens.push_back(std::move(token));
    }
    return tokens;
  }

  std::vector<PreEntity> tokens_of_ids(std::span<const std::int32_t> ids, const OutputRows& logits) const {
    std::vector<PreEntity> tokens;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (context_.tokenizer() != nullptr && context_.tokenizer()->is_special(ids[i])) continue;
      tokens.push_back(scored(ids[i], i, logits));
      tokens.back().is_subword = !subword_prefix_.empty() && tokens.back().word.starts_with(subword_prefix_);
    }
    return tokens;
  }

  PreEntity scored(std::int32_t id, std::size_t index, const OutputRows& logits) const {
    PreEntity token{.scores = softmax(logits.row(index)), .index = static_cast<std::int32_t>(index)};
    if (context_.tokenizer() != nullptr) token.word = context_.tokenizer()->id_to_token(id).value_or("");
    return token;
  }

  void place(PreEntity& token, const CodePoints& text, std::pair<std::int32_t, std::int32_t> offset,
             bool unknown) const {
    const auto [start, end] = offset;
    token.start = start;
    token.end = end;
    const std::string_view surface = text.slice(start, end);
    if (unknown) {
      token.word = surface;
    } else if (!subword_prefix_.empty()) {
      // A piece with its prefix is longer than the text that it stands for.
      token.is_subword = CodePoints(token.word).size() != CodePoints(surface).size();
    } else {
      // Nothing marks pieces: what no space separates is taken for one word, as in the pipeline.
      token.is_subword = start > 0 && text.slice(start - 1, start + 1).find(' ') == std::string_view::npos;
    }
  }

  TokensToString to_string() const {
    return [this](std::span<const std::string> tokens) {
      return context_.tokenizer() == nullptr ? std::string()
                                             : context_.tokenizer()->convert_tokens_to_string(tokens);
    };
  }

  bool ignored(const std::string& entity) const {
    const auto& ignore = context_.options().ignore_labels;
    return std::find(ignore.begin(), ignore.end(), entity) != ignore.end();
  }

  TaskValue value(Entity entity) const {
    const bool grouped = context_.options().aggregation_strategy != AggregationStrategy::none;
    TaskValue::Object fields{{grouped ? "entity_group" : "entity", std::move(entity.entity)},
                             {"score", entity.score}};
    if (entity.index) fields.push_back({"index", *entity.index});
    if (context_.tokenizer() != nullptr) fields.push_back({"word", std::move(entity.word)});
    if (entity.start && entity.end) {
      fields.push_back({"start", *entity.start});
      fields.push_back({"end", *entity.end});
    }
    return fields;
  }

  static constexpr std::array<std::string_view, 1> kOutputs = {"logits"};
  TaskContext context_;
  SpecialTokenIds special_;
  std::string subword_prefix_;
};

}  // namespace

std::unique_ptr<Task> make_token_classification(TaskContext context) {
  return std::make_unique<TokenClassification>(std::move(context));
}

}  // namespace attend::tasks
