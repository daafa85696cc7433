// config.json from any bytes: a typed error, or values within their ranges. Strictness is held against
// nlohmann's own parser: what it refuses is refused, what only we refuse has one of the reasons below.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "attend/error.h"
#include "loaders/files/config_reader.h"
#include "loaders/files/generation_config_reader.h"
#include "loaders/files/json.h"

namespace {

void check_strictness(std::string_view text) {
  const bool accepted = nlohmann::json::accept(text);
  try {
    const attend::JsonDocument document = attend::parse_json(text, attend::config_json_limits(), "fuzz");
    if (!accepted) std::abort();
    for (const attend::JsonMember& member : document->members()) {
      if (document->find(member.key) != &member.value) std::abort();
    }
  } catch (const attend::Error& error) {
    constexpr std::array kOurs{"CFG_JSON_DUPLICATE", "CFG_JSON_DEPTH", "CFG_JSON_ENCODING", "CFG_JSON_SIZE",
                               "CFG_JSON_TRAILING"};
    const bool ours = std::find(kOurs.begin(), kOurs.end(), error.kind()) != kOurs.end();
    if (accepted && !ours) std::abort();
  }
}

void read_values(const attend::ConfigReader& config) {
  const std::int64_t vocab = config.required_int("vocab_size", attend::kVocabRange);
  if (vocab < 1) std::abort();
  config.architecture({"MarianMTModel"});
  const attend::HeadSizes sizes = config.head_sizes({.width = "d_model",
                                                     .heads = "encoder_attention_heads",
                                                     .kv_heads = "num_key_value_heads",
                                                     .head_dim = "head_dim"});
  if (sizes.heads < 1 || sizes.kv_heads < 1 || sizes.heads % sizes.kv_heads != 0 || sizes.head_dim < 1)
    std::abort();
  config.required_int("encoder_layers", attend::kLayersRange);
  config.optional_int("max_position_embeddings", 1, attend::kPositionsRange);
  config.required_choice("activation_function", {"swish", "relu"});
  config.optional_real("rms_norm_eps", 1e-6, {.min = 0.0, .above_min = true});
  config.optional_bool("scale_embedding", false);
  config.optional_labels("id2label");
  config.optional_strings("layer_types");
  config.optional_string({"dtype", "torch_dtype"});
  config.refuse_unless("normalize_before", false);
  if (const auto rope = config.optional_object({"rope_parameters", "rope_scaling"})) {
    rope->optional_real("factor", 1.0, {.min = 0.0});
  }
  const attend::GenerationConfig generation = attend::read_generation_config("/nowhere", config, vocab);
  for (const std::int32_t id : generation.eos_token_id) {
    if (id < 0 || id >= vocab) std::abort();
  }
  config.warnings();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_strictness(text);
  try {
    read_values(attend::ConfigReader::from_text(text, "fuzz"));
  } catch (const attend::Error&) {
  }
  return 0;
}
