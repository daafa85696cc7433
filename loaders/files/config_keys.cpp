#include "loaders/files/config_keys.h"

#include <algorithm>
#include <array>

namespace attend {
namespace {

template <std::size_t N>
constexpr bool contains(const std::array<std::string_view, N>& sorted, std::string_view key) {
  return std::binary_search(sorted.begin(), sorted.end(), key);
}

// What a model is called, how it was trained or saved, and what a Python call should return.
constexpr std::array kNeutral = std::to_array<std::string_view>({
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_from_model_config",
    "_name_or_path",
    "_num_labels",
    "activation_dropout",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "attn_pdrop",
    "chunk_size_feed_forward",
    "classif_dropout",
    "classifier_dropout",
    "classifier_dropout_prob",
    "decoder_layerdrop",
    "dropout",
    "dropout_rate",
    "dtype",
    "embd_pdrop",
    "encoder_layerdrop",
    "finetuning_task",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "init_std",
    "initializer_factor",
    "initializer_range",
    "keys_to_ignore_at_inference",
    "label2id",
    "language",
    "layerdrop",
    "license",
    "model_type",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pretraining_tp",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "save_step",
    "task_specific_params",
    "tf_legacy_loss",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "xla_device",
});
static_assert(std::is_sorted(kNeutral.begin(), kNeutral.end()));

constexpr std::array kCode = std::to_array<std::string_view>({
    "_attn_implementation_internal",
    "auto_map",
    "custom_generate",
    "custom_pipelines",
    "trust_remote_code",
});
static_assert(std::is_sorted(kCode.begin(), kCode.end()));

constexpr std::array kGeneration = std::to_array<std::string_view>({
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "constraints",
    "continuous_batching_config",
    "decoder_start_token_id",
    "disable_compile",
    "diversity_penalty",
    "do_sample",
    "dola_layers",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "force_bos_token_to_be_generated",
    "force_words_ids",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
    "is_assistant",
    "length_penalty",
    "low_memory",
    "max_cache_len",
    "max_length",
    "max_matching_ngram_size",
    "max_new_tokens",
    "max_time",
    "min_length",
    "min_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "penalty_alpha",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "remove_invalid_values",
    "renormalize_logits",
    "repetition_penalty",
    "return_dict_in_generate",
    "sequence_bias",
    "speculation_type",
    "stop_strings",
    "suppress_tokens",
    "target_lookbehind",
    "temperature",
    "token_healing",
    "top_h",
    "top_k",
    "top_p",
    "typical_p",
    "use_cache",
    "use_mtp",
    "watermarking_config",
});
static_assert(std::is_sorted(kGeneration.begin(), kGeneration.end()));

}  // namespace

bool changes_nothing(std::string_view key) {
  return contains(kNeutral, key) || is_generation_key(key);
}
bool runs_code(std::string_view key) {
  return contains(kCode, key);
}
bool is_generation_key(std::string_view key) {
  return contains(kGeneration, key);
}

}  // namespace attend
