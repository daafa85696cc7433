// What a task knows of its checkpoint, and what its caller may choose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tasks/sentence_embedding.h"

namespace attend {

// Facts of a checkpoint, from config.json and the files of sentence-transformers.
struct TaskConfig {
  // The tasks this checkpoint has the head for; make_task() refuses others.
  std::vector<std::string> tasks;
  // id2label, by id. Empty, or an empty name: LABEL_0, LABEL_1, ... as transformers does.
  std::vector<std::string> labels;
  // "regression", "single_label_classification", "multi_label_classification" or empty.
  std::string problem_type;
  // `activation_fn` of config.json's "sentence_transformers" section, or
  // sbert_ce_default_activation_function: a class path of torch ("torch.nn.modules.linear.Identity"). Empty:
  // sigmoid for one label, else identity.
  std::string cross_encoder_activation;
  // Positions the model has, or max_seq_length where the checkpoint sets one; 0: no limit.
  std::int32_t max_input_tokens = 0;
  // modules.json and the folders that it names; mean pooling unless there is one.
  SentenceEmbeddingConfig sentence_embedding;
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
  std::string prompt;  // put before every text
  bool normalize_embeddings = false;
  std::optional<std::int64_t> truncate_dim;  // keep the first numbers of every vector
};

// From their Hugging Face spelling, in any case; throw a usage error (OPTION_VALUE) that lists the values.
// `function_to_apply` "default" is unset.
std::optional<ClassificationFunction> parse_function_to_apply(std::string_view name);
AggregationStrategy parse_aggregation_strategy(std::string_view name);
// "true" is longest_first and "false" do_not_truncate, as for tokenizers.
TruncationOption parse_truncation(std::string_view name);

}  // namespace attend
