#include "tests/support/malformed_corpus.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <utility>

#include "tests/support/byte_builders.h"

namespace attend::test {
namespace {

struct Weight {
  std::string name;
  std::vector<int> shape;
};

void add_linear(std::vector<Weight>& out, const std::string& name, int outputs, int inputs) {
  out.push_back({name + ".weight", {outputs, inputs}});
  out.push_back({name + ".bias", {outputs}});
}

void add_norm(std::vector<Weight>& out, const std::string& name) {
  out.push_back({name + ".weight", {8}});
  out.push_back({name + ".bias", {8}});
}

void add_attention(std::vector<Weight>& out, const std::string& name) {
  for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"})
    add_linear(out, name + "." + part, 8, 8);
  add_norm(out, name + "_layer_norm");
}

std::vector<Weight> tiny_marian_weights() {
  std::vector<Weight> out{{"model.shared.weight", {16, 8}}, {"final_logits_bias", {1, 16}}};
  for (const std::string side : {"encoder", "decoder"}) {
    const std::string layer = "model." + side + ".layers.0";
    add_attention(out, layer + ".self_attn");
    if (side == "decoder") add_attention(out, layer + ".encoder_attn");
    add_linear(out, layer + ".fc1", 16, 8);
    add_linear(out, layer + ".fc2", 8, 16);
    add_norm(out, layer + ".final_layer_norm");
  }
  return out;
}

// Small values that differ from place to place.
std::string f32_data(std::size_t elements, std::uint32_t& state) {
  std::string out;
  for (std::size_t i = 0; i < elements; ++i) {
    state = state * 1664525U + 1013904223U;
    const float value = (static_cast<float>(state >> 16U) / 65536.0F - 0.5F) * 0.5F;
    out += little_endian(std::bit_cast<std::uint32_t>(value), 4);
  }
  return out;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries tiny_marian_entries() {
  return {{"architectures", R"(["MarianMTModel"])"},
          {"model_type", R"("marian")"},
          {"activation_function", R"("swish")"},
          {"add_bias_logits", "false"},
          {"add_final_layer_norm", "false"},
          {"bad_words_ids", "[[15]]"},
          {"d_model", "8"},
          {"decoder_attention_heads", "2"},
          {"decoder_ffn_dim", "16"},
          {"decoder_layers", "1"},
          {"decoder_start_token_id", "15"},
          {"decoder_vocab_size", "16"},
          {"dropout", "0.1"},
          {"encoder_attention_heads", "2"},
          {"encoder_ffn_dim", "16"},
          {"encoder_layers", "1"},
          {"eos_token_id", "0"},
          {"forced_eos_token_id", "0"},
          {"init_std", "0.02"},
          {"is_encoder_decoder", "true"},
          {"max_length", "32"},
          {"max_position_embeddings", "32"},
          {"normalize_before", "false"},
          {"normalize_embedding", "false"},
          {"num_beams", "2"},
          {"num_hidden_layers", "1"},
          {"pad_token_id", "15"},
          {"scale_embedding", "true"},
          {"share_encoder_decoder_embeddings", "true"},
          {"static_position_embeddings", "true"},
          {"tie_word_embeddings", "true"},
          {"torch_dtype", R"("float32")"},
          {"transformers_version", R"("4.40.0")"},
          {"use_cache", "true"},
          {"vocab_size", "16"}};
}

}  // namespace

std::string tiny_marian_config(const std::string& key, const std::string& value) {
  Entries entries = tiny_marian_entries();
  bool found = key.empty();
  std::string out = "{";
  for (auto& [name, text] : entries) {
    if (name == key) {
      found = true;
      text = value;
    }
    if (!text.empty()) out += fmt::format("{}\n  \"{}\": {}", out.size() > 1 ? "," : "", name, text);
  }
  if (!found) out += fmt::format(",\n  \"{}\": {}", key, value);
  return out + "\n}\n";
}

void write_tiny_marian(const std::filesystem::path& directory) {
  std::string header = "{";
  std::string data;
  std::uint32_t state = 7;
  for (const Weight& weight : tiny_marian_weights()) {
    std::size_t elements = 1;
    for (const int dim : weight.shape) elements *= static_cast<std::size_t>(dim);
    const std::size_t begin = data.size();
    data += f32_data(elements, state);
    header += fmt::format("{}\"{}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", weight.name, fmt::join(weight.shape, ","), begin,
                          data.size());
  }
  header += "}";
  write_bytes(directory / "model.safetensors", little_endian(header.size(), 8) + header + data);
  write_bytes(directory / "config.json", tiny_marian_config());
  write_bytes(directory / "generation_config.json",
              R"({"bad_words_ids": [[15]], "decoder_start_token_id": 15, "eos_token_id": 0, )"
              R"("forced_eos_token_id": 0, "max_length": 32, "num_beams": 2, "pad_token_id": 15, )"
              R"("transformers_version": "4.40.0", "_from_model_config": true})");
}

const std::vector<MalformedCase>& malformed_corpus() {
  static const std::vector<MalformedCase> cases = [] {
    std::vector<MalformedCase> out;
    corpus::add_safetensors_cases(out);
    corpus::add_safetensors_layout_cases(out);
    corpus::add_index_cases(out);
    corpus::add_torch_cases(out);
    corpus::add_config_cases(out);
    return out;
  }();
  return cases;
}

std::filesystem::path write_case(const MalformedCase& malformed, const std::filesystem::path& root) {
  const std::filesystem::path directory = root / malformed.name;
  std::filesystem::remove_all(directory);
  write_tiny_marian(directory);
  malformed.spoil(directory);
  return directory;
}

}  // namespace attend::test
