// Options of text generation: names and defaults of Hugging Face's generation_config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attend {

// When beam search may stop (transformers' early_stopping).
enum class EarlyStopping {
  no,     // a heuristic: stop when the best running beam cannot beat the worst finished one
  yes,    // as soon as num_beams hypotheses are finished
  never,  // only when no running beam can become better under any length
};

struct GenerationConfig {
  // Length, in tokens. Encoder-decoder models count the decoder's tokens, the start token not included in
  // the `new` variants and included in the others; decoder-only models count the prompt in the others.
  std::optional<std::int32_t> max_new_tokens;
  std::optional<std::int32_t> min_new_tokens;
  std::optional<std::int32_t> max_length;  // without any: 20 new tokens
  std::int32_t min_length = 0;
  std::vector<std::string> stop;  // stop strings

  // Search
  bool do_sample = false;
  std::int32_t num_beams = 1;
  std::int32_t num_return_sequences = 1;
  EarlyStopping early_stopping = EarlyStopping::no;
  double length_penalty = 1.0;

  // Sampling
  double temperature = 1.0;
  std::int32_t top_k = 50;
  double top_p = 1.0;
  std::optional<double> min_p;
  double typical_p = 1.0;
  std::uint64_t seed = 0;

  // Rules on logits
  double repetition_penalty = 1.0;
  double encoder_repetition_penalty = 1.0;
  double presence_penalty = 0.0;   // as OpenAI's API: once per token that was generated
  double frequency_penalty = 0.0;  // per occurrence
  std::int32_t no_repeat_ngram_size = 0;
  std::int32_t encoder_no_repeat_ngram_size = 0;
  std::vector<std::vector<std::int32_t>> bad_words_ids;
  std::vector<std::int32_t> suppress_tokens;
  std::vector<std::int32_t> begin_suppress_tokens;
  std::optional<std::int32_t> forced_bos_token_id;
  std::vector<std::int32_t> forced_eos_token_id;
  bool remove_invalid_values = false;
  bool renormalize_logits = false;

  // Special tokens
  std::optional<std::int32_t> decoder_start_token_id;
  std::optional<std::int32_t> bos_token_id;
  std::optional<std::int32_t> pad_token_id;
  std::vector<std::int32_t> eos_token_id;

  // Reported, not searched: log-probabilities of the tokens chosen and of the best `top_logprobs` others.
  bool logprobs = false;
  std::int32_t top_logprobs = 0;
};

}  // namespace attend
