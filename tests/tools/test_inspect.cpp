// attend inspect: what a directory is and whether it runs, without its weights; the graph as data.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

fs::path golden(const std::string& name) {
  return fs::path(ATTEND_SOURCE_DIR) / "tests" / "goldens" / name;
}

// A Llama of 8 layers and width 2048 in bf16, whose 10 GB of weights are one hole: only the header is there.
void write_hollow_llama(const fs::path& directory) {
  constexpr std::int64_t kWidth = 4096;
  constexpr std::int64_t kHidden = 14336;
  constexpr std::int64_t kVocab = 128256;
  constexpr std::int64_t kLayers = 20;
  json config = {{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"hidden_size", kWidth},
                 {"intermediate_size", kHidden},
                 {"num_hidden_layers", kLayers},
                 {"num_attention_heads", 32},
                 {"num_key_value_heads", 8},
                 {"vocab_size", kVocab},
                 {"max_position_embeddings", 8192},
                 {"rms_norm_eps", 1e-5},
                 {"hidden_act", "silu"},
                 {"tie_word_embeddings", false}};
  std::ofstream(directory / "config.json") << config.dump();
  json header = json::object();
  std::int64_t offset = 0;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t bytes = 2;
    for (const std::int64_t dim : shape) bytes *= dim;
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  };
  add("lm_head.weight", {kVocab, kWidth});
  add("model.embed_tokens.weight", {kVocab, kWidth});
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    add(layer + "input_layernorm.weight", {kWidth});
    add(layer + "mlp.down_proj.weight", {kWidth, kHidden});
    add(layer + "mlp.gate_proj.weight", {kHidden, kWidth});
    add(layer + "mlp.up_proj.weight", {kHidden, kWidth});
    add(layer + "post_attention_layernorm.weight", {kWidth});
    add(layer + "self_attn.k_proj.weight", {kWidth / 4, kWidth});
    add(layer + "self_attn.o_proj.weight", {kWidth, kWidth});
    add(layer + "self_attn.q_proj.weight", {kWidth, kWidth});
    add(layer + "self_attn.v_proj.weight", {kWidth / 4, kWidth});
  }
  add("model.norm.weight", {kWidth});
  const std::string text = header.dump();
  std::uint64_t length = text.size();
  std::ofstream file(directory / "model.safetensors", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << text;
  file.close();
  fs::resize_file(directory / "model.safetensors", 8 + length + static_cast<std::uint64_t>(offset));
}

TEST_CASE("inspect reads headers only: 10 GB that are not there") {
  const std::string directory = scratch("hollow");
  write_hollow_llama(directory);
  REQUIRE(fs::file_size(directory + "/model.safetensors") > 10'000'000'000);
  const ProcessResult result = run_attend({"inspect", directory, "--json", "--max-memory", "100G"});
  REQUIRE(result.exit_code == 0);
  const json info = result.json_lines().at(0);
  CHECK(info["supported"] == true);
  CHECK(info["architecture"] == "LlamaForCausalLM");
  CHECK(info["parameters"].get<std::int64_t>() > 5'000'000'000);
  CHECK(info["weights_file_bytes"].get<std::int64_t>() == 2 * info["parameters"].get<std::int64_t>());
  CHECK(info["kv_dtype"] == "f32");
  CHECK(info["cache_bytes_per_token"] == 20 * 2 * 8 * 128 * 4);
  for (const auto& [dtype, head_bytes] : {std::pair("bf16", 128 * 2), std::pair("int8", 128 + 4)}) {
    const ProcessResult narrow =
        run_attend({"inspect", directory, "--json", "--max-memory", "100G", "--kv-dtype", dtype});
    REQUIRE(narrow.exit_code == 0);
    CHECK(narrow.json_lines().at(0)["kv_dtype"] == dtype);
    CHECK(narrow.json_lines().at(0)["cache_bytes_per_token"] == 20 * 2 * 8 * head_bytes);
  }
  CHECK(info["max_input_tokens"] == 8192);
  CHECK(info["inspect_ms"].get<double>() > 0);
  for (const json& group : info["tensors"]) {
    CHECK(group["dtypes"] == json{"bf16"});
    if (group["name"] == "model.layers.*.mlp.up_proj") CHECK(group["tensors"] == 20);
  }
  // Too large for the memory there is: the plan is told, and why it does not run.
  const ProcessResult small = run_attend({"inspect", directory, "--json", "--max-memory", "1G"});
  CHECK(small.exit_code == 65);
  const json plan = small.json_lines().at(0);
  CHECK(plan["supported"] == false);
  CHECK(plan["problems"].at(0)["kind"] == "CFG_MEMORY");
  CHECK(plan["parameters"] == info["parameters"]);
}

TEST_CASE("inspect tells why a model is not supported, and what it is all the same") {
  const std::string directory = scratch("unsupported");
  std::ofstream(directory + "/config.json")
      << R"({"architectures": ["NoSuchModel"], "model_type": "nosuch"})";
  fs::copy(golden("llama-tiny") / "model.safetensors", directory + "/model.safetensors");
  const ProcessResult result = run_attend({"inspect", directory, "--json"});
  CHECK(result.exit_code == 65);
  const json info = result.json_lines().at(0);
  CHECK(info["supported"] == false);
  CHECK(info["architecture"] == "NoSuchModel");
  CHECK(info["model_type"] == "nosuch");
  CHECK(info["problems"].at(0)["kind"] == "CFG_ARCH_UNSUPPORTED");
  CHECK(info["parameters"].get<std::int64_t>() > 10'000);
  CHECK(info["tensors"].size() > 5);
  const ProcessResult text = run_attend({"inspect", directory});
  CHECK(text.exit_code == 65);
  CHECK_THAT(text.out, ContainsSubstring("CFG_ARCH_UNSUPPORTED"));
  CHECK(run_attend({"inspect", directory, "--graph"}).exit_code == 65);
}

TEST_CASE("inspect --graph writes a model that runs in place of config.json") {
  const std::string directory = scratch("graph");
  const ProcessResult graph = run_attend({"inspect", demo_model(), "--graph"});
  REQUIRE(graph.exit_code == 0);
  for (const auto& entry : fs::directory_iterator(demo_model())) {
    if (entry.path().filename() != "config.json")
      fs::copy(entry.path(), fs::path(directory) / entry.path().filename());
  }
  std::ofstream(directory + "/graph.json") << graph.out;
  const std::vector<std::string> sentences{"Did you buy three apples yesterday?", "It is red."};
  std::vector<std::string> call{"run", demo_model()};
  call.insert(call.end(), sentences.begin(), sentences.end());
  const ProcessResult expected = run_attend(call);
  call[1] = directory;
  const ProcessResult found = run_attend(call);
  CHECK(found.exit_code == 0);
  CHECK(found.out == expected.out);
  const json info = run_attend({"inspect", directory, "--json"}).json_lines().at(0);
  CHECK(info["definition"] == "graph.json");
  CHECK(run_attend({"inspect", directory, "--graph"}).out == graph.out);

  // An error in it names its place.
  json broken = json::parse(graph.out);
  broken["graphs"][0]["nodes"][3]["heads"] = "four";
  std::ofstream(directory + "/graph.json") << broken.dump();
  const ProcessResult refused = run_attend({"run", directory, "It is red."});
  CHECK(refused.exit_code == 65);
  CHECK_THAT(refused.err, ContainsSubstring("graph.json: graphs[0].nodes[3].heads"));
}

TEST_CASE("inspect --graph --dot draws both graphs and what crosses between them") {
  const ProcessResult result = run_attend({"inspect", golden("marian-tiny"), "--graph", "--dot"});
  REQUIRE(result.exit_code == 0);
  CHECK(result.out.starts_with("digraph"));
  CHECK(result.out.ends_with("}\n"));
  for (const char* part : {"cluster encoder", "cluster decoder", "style=dashed", "self_attention", "logits"})
    CHECK_THAT(result.out, ContainsSubstring(part));
  CHECK(run_attend({"inspect", golden("marian-tiny"), "--dot"}).exit_code == 2);
}

TEST_CASE("inspect keeps to 80 columns but for the reasons") {
  const ProcessResult result = run_attend({"inspect", demo_model()});
  for (const std::string& line : result.lines()) {
    INFO(line);
    CHECK(line.size() <= 80);
  }
}

}  // namespace
}  // namespace attend::test
