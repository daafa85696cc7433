#include "loaders/files/generation_config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "loaders/files/json.h"

namespace attend {
namespace {

constexpr IntRange kLength{0, 1 << 28};
constexpr IntRange kBeams{1, 1024};
constexpr double kMaxPenalty = 1e6;

// Reads one object of settings into a GenerationConfig; keys that are absent leave it as it is.
class SettingsReader {
 public:
  SettingsReader(const ConfigReader& source, std::int64_t vocab) : source_(source), vocab_(vocab) {}

  void read(GenerationConfig& out) const {
    read_length(out);
    read_search(out);
    read_sampling(out);
    read_rules(out);
    read_special_tokens(out);
    refuse_unsupported(out);
  }

 private:
  void set(std::int32_t& out, const char* key, IntRange range) const {
    out = static_cast<std::int32_t>(source_.optional_int(key, out, range));
  }
  void set(std::optional<std::int32_t>& out, const char* key, IntRange range) const {
    if (const auto value = source_.optional_int(key, range)) out = static_cast<std::int32_t>(*value);
  }
  void set(double& out, const char* key, RealRange range) const {
    out = source_.optional_real(key, out, range);
  }
  void set(bool& out, const char* key) const { out = source_.optional_bool(key, out); }
  void set(std::vector<std::int32_t>& out, const char* key) const {
    if (source_.has(key)) out = source_.optional_token_ids(key, vocab_);
  }
  void set_token(std::optional<std::int32_t>& out, const char* key) const {
    if (source_.has(key)) out = source_.optional_token_id(key, vocab_);
  }

  void read_length(GenerationConfig& out) const;
  void read_search(GenerationConfig& out) const;
  void read_sampling(GenerationConfig& out) const;
  void read_rules(GenerationConfig& out) const;
  void read_bad_words(GenerationConfig& out) const;
  void read_special_tokens(GenerationConfig& out) const;
  void refuse_unsupported(const GenerationConfig& config) const;
  void refuse_when_set(const char* key, const char* what) const;

  const ConfigReader& source_;
  std::int64_t vocab_;
};

void SettingsReader::read_length(GenerationConfig& out) const {
  set(out.max_new_tokens, "max_new_tokens", {1, kLength.max});
  set(out.min_new_tokens, "min_new_tokens", kLength);
  set(out.max_length, "max_length", {1, kLength.max});
  set(out.min_length, "min_length", kLength);
  if (const JsonValue* stop = source_.find("stop_strings")) {
    if (stop->is_string()) {
      out.stop = {std::string(*stop->to_string())};
    } else {
      out.stop = source_.optional_strings("stop_strings");
    }
  }
}

void SettingsReader::read_search(GenerationConfig& out) const {
  set(out.do_sample, "do_sample");
  set(out.num_beams, "num_beams", kBeams);
  set(out.num_return_sequences, "num_return_sequences", kBeams);
  set(out.length_penalty, "length_penalty", {-kMaxPenalty, kMaxPenalty});
  if (const JsonValue* value = source_.find("early_stopping")) {
    if (value->is_boolean()) {
      out.early_stopping = *value->to_bool() ? EarlyStopping::yes : EarlyStopping::no;
    } else if (value->to_string() == "never") {
      out.early_stopping = EarlyStopping::never;
    } else {
      source_.refuse("CFG_VALUE", "early_stopping",
                     "expected true, false or \"never\", found " + value->describe());
    }
  }
}

void SettingsReader::read_sampling(GenerationConfig& out) const {
  set(out.temperature, "temperature", {0.0, kMaxPenalty});
  set(out.top_k, "top_k", kLength);
  set(out.top_p, "top_p", {0.0, 1.0});
  if (const auto min_p = source_.optional_real("min_p", RealRange{0.0, 1.0})) out.min_p = min_p;
  set(out.typical_p, "typical_p", {0.0, 1.0});
}

void SettingsReader::read_rules(GenerationConfig& out) const {
  set(out.repetition_penalty, "repetition_penalty", {0.0, kMaxPenalty, true});
  set(out.encoder_repetition_penalty, "encoder_repetition_penalty", {0.0, kMaxPenalty, true});
  set(out.no_repeat_ngram_size, "no_repeat_ngram_size", kLength);
  set(out.encoder_no_repeat_ngram_size, "encoder_no_repeat_ngram_size", kLength);
  set(out.suppress_tokens, "suppress_tokens");
  set(out.begin_suppress_tokens, "begin_suppress_tokens");
  set(out.forced_eos_token_id, "forced_eos_token_id");
  set_token(out.forced_bos_token_id, "forced_bos_token_id");
  set(out.remove_invalid_values, "remove_invalid_values");
  set(out.renormalize_logits, "renormalize_logits");
  read_bad_words(out);
}

// [[58100], [5, 6]]: sequences of token ids.
void SettingsReader::read_bad_words(GenerationConfig& out) const {
  const JsonValue* value = source_.find("bad_words_ids");
  if (!value) return;
  const auto refuse = [&](const char* kind, const std::string& expected, const JsonValue& found) {
    source_.refuse(kind, "bad_words_ids", fmt::format("expected {}, found {}", expected, found.describe()));
  };
  out.bad_words_ids.clear();
  if (!value->is_array()) return refuse("CFG_FIELD_TYPE", "a list of lists of token ids", *value);
  for (const JsonValue& word : value->elements()) {
    if (!word.is_array() || word.size() == 0) {
      return refuse("CFG_FIELD_TYPE", "lists of at least one token id", word);
    }
    std::vector<std::int32_t> ids;
    for (const JsonValue& element : word.elements()) {
      const std::optional<std::int64_t> id = element.to_int64();
      if (!element.is_integer()) return refuse("CFG_FIELD_TYPE", "token ids", element);
      if (!id || *id < 0 || *id >= vocab_) {
        return refuse("CFG_TOKEN_ID", fmt::format("token ids from 0 to {}", vocab_ - 1), element);
      }
      ids.push_back(static_cast<std::int32_t>(*id));
    }
    out.bad_words_ids.push_back(std::move(ids));
  }
}

void SettingsReader::read_special_tokens(GenerationConfig& out) const {
  set_token(out.decoder_start_token_id, "decoder_start_token_id");
  set_token(out.bos_token_id, "bos_token_id");
  set_token(out.pad_token_id, "pad_token_id");
  set(out.eos_token_id, "eos_token_id");
}

void SettingsReader::refuse_when_set(const char* key, const char* what) const {
  const JsonValue* value = source_.find(key);
  if (!value || value->to_bool() == false) return;
  source_.refuse("GEN_UNSUPPORTED", key,
                 fmt::format("{} is not supported, found {}; remove the key to generate without it", what,
                             value->describe()));
}

// Modes of transformers that attend lacks, where the settings together would start them.
void SettingsReader::refuse_unsupported(const GenerationConfig& config) const {
  const auto real = [&](const char* key, double fallback) {
    return source_.optional_real(key, RealRange{}).value_or(fallback);
  };
  const auto refuse = [&](const char* key, const char* what) {
    source_.refuse("GEN_UNSUPPORTED", key,
                   fmt::format("{} is not supported, found {}; remove the key to generate without it", what,
                               source_.find(key)->describe()));
  };
  if (!config.do_sample && config.num_beams == 1 && config.top_k > 1 && real("penalty_alpha", 0.0) > 0) {
    refuse("penalty_alpha", "contrastive search");
  }
  if (source_.optional_int("num_beam_groups", 1, kBeams) > 1)
    refuse("num_beam_groups", "diverse beam search");
  if (config.do_sample && real("epsilon_cutoff", 0.0) > 0) refuse("epsilon_cutoff", "epsilon sampling");
  if (config.do_sample && real("eta_cutoff", 0.0) > 0) refuse("eta_cutoff", "eta sampling");
  if (config.do_sample && source_.has("top_h")) refuse("top_h", "top-H sampling");
  if (real("guidance_scale", 1.0) != 1.0) refuse("guidance_scale", "classifier-free guidance");
  refuse_when_set("constraints", "constrained beam search");
  refuse_when_set("force_words_ids", "constrained beam search");
  refuse_when_set("dola_layers", "DoLa decoding");
  refuse_when_set("prompt_lookup_num_tokens", "assisted decoding");
  refuse_when_set("assistant_early_exit", "assisted decoding");
  refuse_when_set("use_mtp", "multi-token prediction");
  refuse_when_set("exponential_decay_length_penalty", "a length penalty that decays exponentially");
  refuse_when_set("sequence_bias", "a bias of sequences");
  refuse_when_set("token_healing", "token healing");
  refuse_when_set("watermarking_config", "watermarking");
  refuse_when_set("max_time", "a limit of time");
}

// The ids of config.json where generation_config.json has its own: not used, but ids that no vocabulary has
// tell of a config that belongs to another checkpoint.
void check_token_ids(const ConfigReader& config, std::int64_t vocab) {
  for (const char* key : {"decoder_start_token_id", "bos_token_id", "pad_token_id", "forced_bos_token_id"})
    config.optional_token_id(key, vocab);
  for (const char* key : {"eos_token_id", "forced_eos_token_id"}) config.optional_token_ids(key, vocab);
}

// transformers checks these together as well.
void check_combination(const GenerationConfig& config, const ConfigReader& source) {
  if (config.num_return_sequences <= 1) return;
  if (config.num_beams == 1 && !config.do_sample) {
    source.refuse("CFG_VALUE", "num_return_sequences",
                  fmt::format("greedy search returns one sequence, found {}; set num_beams or do_sample",
                              config.num_return_sequences));
  } else if (config.num_beams > 1 && config.num_return_sequences > config.num_beams) {
    source.refuse("CFG_VALUE", "num_return_sequences",
                  fmt::format("expected at most num_beams = {}, found {}", config.num_beams,
                              config.num_return_sequences));
  }
}

}  // namespace

GenerationConfig read_generation_config(const std::filesystem::path& directory, const ConfigReader& config,
                                        std::int64_t vocab) {
  GenerationConfig out;
  const std::filesystem::path file = directory / "generation_config.json";
  std::error_code error;
  if (std::filesystem::symlink_status(file, error).type() != std::filesystem::file_type::not_found) {
    const ConfigReader settings = ConfigReader::from_file(file);
    SettingsReader(settings, vocab).read(out);
    check_combination(out, settings);
    check_token_ids(config, vocab);
    config.add_issues(settings.issues());
    settings.log_warnings();
    return out;
  }
  // Inner settings first: those of the outer object win.
  for (const char* inner : {"decoder", "generator", "text_config"}) {
    const JsonValue* value = config.find(inner);
    if (!value || !value->is_object() || value->size() == 0) continue;
    SettingsReader(*config.optional_object(inner), vocab).read(out);
    break;
  }
  SettingsReader(config, vocab).read(out);
  if (config.optional_bool("force_bos_token_to_be_generated", false)) {
    out.forced_bos_token_id = config.optional_token_id("bos_token_id", vocab);
  }
  check_combination(out, config);
  return out;
}

}  // namespace attend
