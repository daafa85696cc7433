// A "model" whose logits are a hash of what came before, and the recorded cases made with its twin in
// tests/goldens/make_generation.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "attend/generation_config.h"

namespace attend::test {

class HashModel {
 public:
  explicit HashModel(const nlohmann::json& spec)
      : seed_(spec["seed"]),
        period_(spec["period"]),
        scale_(spec["scale"]),
        eos_bias_(spec["eos_bias"]),
        eos_growth_(spec["eos_growth"]),
        eos_(spec["eos"].get<std::vector<std::size_t>>()),
        vocab_size_(spec["vocab_size"]) {}

  std::size_t vocab_size() const { return vocab_size_; }

  // The logits after input_ids; `key` is the first token of the request's input.
  std::vector<float> logits(std::int32_t key, std::span<const std::int32_t> input_ids) const {
    const std::size_t position = input_ids.size();
    std::uint32_t hash = mix(0, seed_);
    hash = mix(hash, static_cast<std::uint32_t>(key));
    hash = mix(hash, static_cast<std::uint32_t>(input_ids.back()));
    hash = mix(hash, static_cast<std::uint32_t>(position) % period_);
    const std::uint32_t noise = mix(hash, static_cast<std::uint32_t>(position) + 1000003);
    std::vector<double> row(vocab_size_);
    for (std::uint32_t t = 0; t < vocab_size_; ++t) {
      row[t] = ((mix(hash, t) & 0xFFFFF) / 131072.0 - 4.0 + (mix(noise, t) & 0xFF) / 16384.0) * scale_;
    }
    row[0] -= 64.0;
    for (const std::size_t t : eos_) row[t] += eos_bias_ + eos_growth_ * static_cast<double>(position);
    return {row.begin(), row.end()};
  }

 private:
  static std::uint32_t mix(std::uint32_t hash, std::uint32_t value) {
    hash = (hash ^ value) * 0x9E3779B1;
    hash ^= hash >> 15;
    hash *= 0x85EBCA77;
    return hash ^ (hash >> 13);
  }

  std::uint32_t seed_;
  std::uint32_t period_;
  double scale_;
  double eos_bias_;
  double eos_growth_;
  std::vector<std::size_t> eos_;
  std::size_t vocab_size_;
};

inline nlohmann::json read_cases(const std::string& name) {
  std::ifstream file(ATTEND_SOURCE_DIR "/tests/goldens/generation/" + name);
  return nlohmann::json::parse(file)["cases"];
}

// Options by their Hugging Face names.
inline GenerationConfig to_config(const nlohmann::json& options) {
  GenerationConfig c;
  const auto set = [&](const char* key, auto& field) {
    if (options.contains(key)) field = options[key].get<std::remove_reference_t<decltype(field)>>();
  };
  const auto set_optional = [&]<class T>(const char* key, std::optional<T>& field) {
    if (options.contains(key)) field = options[key].get<T>();
  };
  set_optional("max_new_tokens", c.max_new_tokens);
  set_optional("min_new_tokens", c.min_new_tokens);
  set_optional("max_length", c.max_length);
  set("min_length", c.min_length);
  set("num_beams", c.num_beams);
  set("num_return_sequences", c.num_return_sequences);
  set("length_penalty", c.length_penalty);
  if (options.contains("early_stopping")) {
    const nlohmann::json& value = options["early_stopping"];
    c.early_stopping = value.is_string()   ? EarlyStopping::never
                       : value.get<bool>() ? EarlyStopping::yes
                                           : EarlyStopping::no;
  }
  set("do_sample", c.do_sample);
  set("temperature", c.temperature);
  set("top_k", c.top_k);
  set("top_p", c.top_p);
  set_optional("min_p", c.min_p);
  set("typical_p", c.typical_p);
  set("repetition_penalty", c.repetition_penalty);
  set("encoder_repetition_penalty", c.encoder_repetition_penalty);
  set("no_repeat_ngram_size", c.no_repeat_ngram_size);
  set("encoder_no_repeat_ngram_size", c.encoder_no_repeat_ngram_size);
  set("bad_words_ids", c.bad_words_ids);
  set("suppress_tokens", c.suppress_tokens);
  set("begin_suppress_tokens", c.begin_suppress_tokens);
  set_optional("forced_bos_token_id", c.forced_bos_token_id);
  if (options.contains("forced_eos_token_id")) {
    const nlohmann::json& value = options["forced_eos_token_id"];
    c.forced_eos_token_id =
        value.is_array() ? value.get<std::vector<std::int32_t>>() : std::vector{value.get<std::int32_t>()};
  }
  set("remove_invalid_values", c.remove_invalid_values);
  set("renormalize_logits", c.renormalize_logits);
  return c;
}

}  // namespace attend::test
