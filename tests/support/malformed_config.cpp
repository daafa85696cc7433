// C01 to C09: config.json, alone and against the weights.
#include <string>
#include <utility>
#include <vector>

#include "tests/support/byte_builders.h"
#include "tests/support/malformed_corpus.h"

namespace attend::test::corpus {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

// The tiny model with `key` set to `value`, or without it. The generation settings then come from
// config.json.
void add(std::vector<MalformedCase>& cases, const std::string& name, const std::vector<std::string>& kinds,
         const std::string& key, const std::string& value, MalformedStage stage = MalformedStage::config) {
  cases.push_back({name, kinds, "config.json: " + key, stage, [key, value](const fs::path& directory) {
                     fs::remove(directory / "generation_config.json");
                     write_bytes(directory / "config.json", tiny_marian_config(key, value));
                   }});
}

void add_text(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
              const std::string& text) {
  cases.push_back({name, {kind}, "config.json", MalformedStage::config, [text](const fs::path& directory) {
                     write_bytes(directory / "config.json", text);
                   }});
}

void add_value_cases(std::vector<MalformedCase>& cases) {
  add(cases, "C01_absent", {"CFG_ARCH_UNSUPPORTED"}, "architectures", "");
  add(cases, "C01_unknown", {"CFG_ARCH_UNSUPPORTED"}, "architectures", R"(["NoSuchModel"])");
  add(cases, "C01_two", {"CFG_ARCH_UNSUPPORTED"}, "architectures", R"(["MarianMTModel", "MarianModel"])");
  add(cases, "C01_none", {"CFG_ARCH_UNSUPPORTED"}, "architectures", "[]");
  add(cases, "C01_string", {"CFG_ARCH_UNSUPPORTED"}, "architectures", R"("MarianMTModel")");
  add(cases, "C02_zero", {"CFG_FIELD_RANGE"}, "d_model", "0");
  add(cases, "C02_negative", {"CFG_FIELD_RANGE"}, "d_model", "-1");
  add(cases, "C02_string", {"CFG_FIELD_TYPE"}, "d_model", "\"4096\"");
  add(cases, "C02_real", {"CFG_FIELD_TYPE"}, "d_model", "4096.5");
  add(cases, "C02_huge_real", {"CFG_FIELD_TYPE"}, "d_model", "1e308");
  add(cases, "C02_31_bits", {"CFG_FIELD_RANGE"}, "d_model", "2147483648");
  add(cases, "C02_null", {"CFG_FIELD_MISSING"}, "d_model", "null");
  add(cases, "C02_missing", {"CFG_FIELD_MISSING"}, "d_model", "");
  add(cases, "C03_no_heads", {"CFG_HEADS"}, "encoder_attention_heads", "0");
  add(cases, "C03_negative_heads", {"CFG_HEADS"}, "decoder_attention_heads", "-2");
  add(cases, "C03_no_divisor", {"CFG_HEADS"}, "encoder_attention_heads", "3");
  add(cases, "C04_layers", {"CFG_FIELD_RANGE"}, "encoder_layers", "1000000000");
  add(cases, "C04_vocabulary", {"CFG_FIELD_RANGE"}, "vocab_size", "1099511627776");
  add(cases, "C04_positions", {"CFG_FIELD_RANGE"}, "max_position_embeddings", "1099511627776");
  for (const std::string key :
       {"eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id", "forced_eos_token_id"}) {
    add(cases, "C07_" + key + "_beyond", {"CFG_TOKEN_ID"}, key, "16");
    add(cases, "C07_" + key + "_negative", {"CFG_TOKEN_ID"}, key, "-1");
    add(cases, "C07_" + key + "_33_bits", {"CFG_TOKEN_ID"}, key, "8589934592");
  }
  add(cases, "C07_bad_words", {"CFG_TOKEN_ID"}, "bad_words_ids", "[[1, 16]]");
  add(cases, "C08_auto_map", {}, "auto_map", R"({"AutoModel": "evil.Model"})", MalformedStage::accepted);
  add(cases, "C08_attention", {}, "_attn_implementation_internal", R"("someone/kernel")",
      MalformedStage::accepted);
  add(cases, "C08_trust", {}, "trust_remote_code", "true", MalformedStage::accepted);
  add(cases, "C10_activation", {"CFG_VALUE"}, "activation_function", R"("sorcery")");
  add(cases, "C10_generation_mode", {"GEN_UNSUPPORTED"}, "num_beam_groups", "2");
}

// Other settings than Marian's: kv heads and rope.
void add_rope_cases(std::vector<MalformedCase>& cases) {
  const auto rope = MalformedStage::rope;
  add(cases, "C03_kv_above_heads", {"CFG_HEADS"}, "num_key_value_heads", "4", rope);
  add(cases, "C03_kv_no_divisor", {"CFG_HEADS"}, "num_key_value_heads", "0", rope);
  add(cases, "C06_type", {"CFG_ROPE"}, "rope_scaling", R"({"rope_type": "spiral", "factor": 2.0})", rope);
  add(cases, "C06_factor_zero", {"CFG_FIELD_RANGE"}, "rope_scaling",
      R"({"rope_type": "linear", "factor": 0})", rope);
  add(cases, "C06_factor_negative", {"CFG_FIELD_RANGE"}, "rope_scaling",
      R"({"rope_type": "linear", "factor": -1})", rope);
  add(cases, "C06_eps_zero", {"CFG_FIELD_RANGE"}, "rms_norm_eps", "0", rope);
  add(cases, "C06_eps_negative", {"CFG_FIELD_RANGE"}, "rms_norm_eps", "-1e-6", rope);
  add(cases, "C06_partial", {"CFG_FIELD_RANGE"}, "partial_rotary_factor", "1.5", rope);
  add_text(cases, "C06_factor_nan", "CFG_JSON_SYNTAX",
           tiny_marian_config("rope_scaling", R"({"factor": NaN})"));
}

void add_json_cases(std::vector<MalformedCase>& cases) {
  add_text(cases, "C09_duplicate", "CFG_JSON_DUPLICATE", R"({"d_model": 8, "d_model": 8})");
  add_text(cases, "C09_deep", "CFG_JSON_DEPTH", "{\"a\": " + std::string(100'000, '['));
  cases.push_back({"C09_gigabyte",
                   {"CFG_JSON_SIZE"},
                   "config.json",
                   MalformedStage::config,
                   [](const fs::path& directory) {
                     fs::resize_file(directory / "config.json", std::uintmax_t{1} << 30);  // sparse
                   }});
  add_text(cases, "C09_byte_order_mark", "CFG_JSON_ENCODING", "\xEF\xBB\xBF" + tiny_marian_config());
  std::string wide = "\xFF\xFE";
  for (const char c : tiny_marian_config()) wide += c + "\0"s;
  add_text(cases, "C09_utf16", "CFG_JSON_ENCODING", wide);
  add_text(cases, "C09_utf16_unmarked", "CFG_JSON_ENCODING", wide.substr(2));
  add_text(cases, "C09_invalid_utf8", "CFG_JSON_UTF8", tiny_marian_config("note", "\"\xC3\x28\""));
  add_text(cases, "C09_empty", "CFG_JSON_SYNTAX", "");
  add_text(cases, "C09_array", "CFG_JSON_SYNTAX", "[]");
  add_text(cases, "C09_lfs_pointer", "CFG_JSON_SYNTAX", "version https://git-lfs.github.com/spec/v1\n");
}

// `from` occurs once in the weights' header and is as long as `to`.
void add_weights(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
                 const std::string& where, const std::string& from, const std::string& to) {
  cases.push_back({name, {kind}, where, MalformedStage::model, [from, to](const fs::path& directory) {
                     std::string bytes = read_bytes(directory / "model.safetensors");
                     bytes.replace(bytes.find(from), from.size(), to);
                     write_bytes(directory / "model.safetensors", bytes);
                   }});
}

void add_model_cases(std::vector<MalformedCase>& cases) {
  const std::string fc1 = "model.encoder.layers.0.fc1.weight";
  const std::string entry = fc1 + R"(":{"dtype":"F32","shape":[16,8])";
  add_weights(cases, "C05_transposed", "MODEL_TENSOR_SHAPE", fc1, entry,
              fc1 + R"(":{"dtype":"F32","shape":[8,16])");
  add_weights(cases, "C05_dtype", "MODEL_TENSOR_DTYPE", fc1, entry,
              fc1 + R"(":{"dtype":"I32","shape":[16,8])");
  add_weights(cases, "C05_missing", "MODEL_TENSOR_MISSING", fc1, fc1, "model.encoder.layers.0.fc9.weight");
  add_weights(cases, "C05_unused", "MODEL_TENSOR_UNUSED", "model.encoder.layers.0.fc9.weight", fc1,
              "model.encoder.layers.0.fc9.weight");
  cases.push_back({"C05_vocabulary",
                   {"MODEL_TENSOR_SHAPE"},
                   "model.shared.weight",
                   MalformedStage::model,
                   [](const fs::path& directory) {
                     std::string text = tiny_marian_config("vocab_size", "17");
                     text.replace(text.find("\"decoder_vocab_size\": 16"), 24, "\"decoder_vocab_size\": 17");
                     write_bytes(directory / "config.json", text);
                   }});
}

}  // namespace

void add_config_cases(std::vector<MalformedCase>& cases) {
  add_value_cases(cases);
  add_rope_cases(cases);
  add_json_cases(cases);
  add_model_cases(cases);
}

}  // namespace attend::test::corpus
