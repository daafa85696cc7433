// Tasks by their Hugging Face names: what one takes, and its options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attend {

// One input: text, or ids that replace tokenization (nothing is added to them, no tokenizer is needed, and
// fields of the result that are text are left out). What `text` and `pair` are depends on the task: text and
// text pair, question and context, query and document, sentence and sentence.
struct Input {
  std::string text{};
  std::optional<std::string> pair{};
  // sentence-similarity: the sentences to compare `text` with; text-ranking: the documents to rank.
  std::vector<std::string> candidates{};
  std::optional<std::vector<std::int32_t>> ids{};
  // Token type ids for `ids`; empty: all 0.
  std::vector<std::int32_t> type_ids{};
};

enum class ClassificationFunction { none, sigmoid, softmax };
enum class AggregationStrategy { none, simple, first, average, max };
enum class TruncationOption { do_not_truncate, longest_first, only_first, only_second };

// Named as the keyword arguments of the pipelines. What is not set has the pipeline's default; a task
// ignores what is not its own.
struct TaskOptions {
  // How many results: labels (unset: the best as a single object; 0: all), answers (1), fillings of a mask
  // (5), ranked documents (all).
  std::optional<std::int64_t> top_k;
  // Inputs longer than the model takes. Unset: cut for token-classification, sentence embeddings,
  // text-ranking and zero-shot-classification (there the premise alone), refused for the others.
  std::optional<TruncationOption> truncation;
  // Tokens of one model input, special ones included; unset: what model and tokenizer allow.
  std::optional<std::int32_t> max_length;

  // text-classification, text-ranking
  std::optional<ClassificationFunction> function_to_apply;

  // token-classification
  AggregationStrategy aggregation_strategy = AggregationStrategy::none;
  std::vector<std::string> ignore_labels = {"O"};
  // Long texts in windows that share so many tokens; unset: only the first window.
  std::optional<std::int32_t> stride;

  // question-answering
  std::optional<std::int32_t> max_seq_len;  // min(384, what the model allows)
  std::optional<std::int32_t> doc_stride;   // min(128, half of max_seq_len)
  // Longer questions are cut to so many tokens; unset: only refused where no room is left for the context.
  std::optional<std::int32_t> max_question_len;
  std::int32_t max_answer_len = 15;
  bool handle_impossible_answer = false;
  bool align_to_words = true;

  // fill-mask: only these words are candidates
  std::vector<std::string> targets;

  // zero-shot-classification
  std::vector<std::string> candidate_labels;
  std::string hypothesis_template = "This example is {}.";
  bool multi_label = false;

  // sentence embeddings, sentence-similarity
  // Put before every text; unset: the prompt that prompt_name or the checkpoint names. "" for none.
  std::optional<std::string> prompt;
  std::string prompt_name;  // of the prompts in config_sentence_transformers.json
  bool normalize_embeddings = false;
  std::optional<std::int64_t> truncate_dim;  // keep the first numbers of every vector
};

// From their Hugging Face spelling, in any case; throw a usage error (OPTION_VALUE) that lists the values.
// `function_to_apply` "default" is unset.
std::optional<ClassificationFunction> parse_function_to_apply(std::string_view name);
AggregationStrategy parse_aggregation_strategy(std::string_view name);
// "true" is longest_first and "false" do_not_truncate, as for tokenizers.
TruncationOption parse_truncation(std::string_view name);

// The first name of a task given by an alias ("ner"); TASK_UNKNOWN (usage) when there is none.
std::string_view canonical_task_name(std::string_view name);

}  // namespace attend
