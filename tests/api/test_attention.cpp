// Attention maps, custom queries and masked heads against transformers, and what is refused.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "runtime/api/attention_layers.h"
#include "tests/api/golden_model.h"

namespace attend {
namespace {

using Catch::Matchers::ContainsSubstring;
using Ids = std::vector<std::int32_t>;

constexpr float kTolerance = 1e-5F;

LoadOptions two_threads() {
  LoadOptions options;
  options.threads = 2;
  return options;
}

float largest_error(std::span<const float> expected, std::span<const float> found) {
  REQUIRE(expected.size() == found.size());
  float error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const float difference = std::abs(expected[i] - found[i]);
    error = std::isnan(difference) ? 1e9F : std::max(error, difference);
  }
  return error;
}

std::vector<float> values(const Tensor& tensor) {
  return {tensor.f32().begin(), tensor.f32().end()};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.bytes(), b.bytes(), a.size_bytes()) == 0;
}

// Folders of tests/goldens that hold attention maps.
std::vector<std::string> goldens_with_maps() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(test::goldens())) {
    if (!std::filesystem::exists(entry.path() / "model.safetensors") ||
        !std::filesystem::exists(entry.path() / "expected.safetensors"))
      continue;
    const test::Golden golden(entry.path().filename().string());
    for (std::size_t i = 0; i < golden.inputs().size(); ++i) {
      if (golden.names(std::to_string(i) + "/attention.").empty()) continue;
      names.push_back(entry.path().filename().string());
      break;
    }
  }
  std::ranges::sort(names);
  return names;
}

// The request whose maps the golden's are: the decoder reads what it read there.
AttentionRequest request_for(const test::Golden& golden, std::size_t input, const std::string& kind) {
  AttentionRequest request;
  request.input.ids = golden.inputs()[input];
  if (golden.expected.contains("token_type_ids"))
    request.input.type_ids = golden.expected["token_type_ids"][input].get<Ids>();
  request.kind = parse_attention_kind(kind);
  if (golden.expected.contains("decoder_input_ids")) {
    Ids ids = golden.expected["decoder_input_ids"][input].get<Ids>();
    ids.erase(ids.begin());  // the start token
    ids.push_back(0);        // what the last row would write: nobody reads it
    request.target = Input{.ids = ids};
  }
  return request;
}

TEST_CASE("attention maps are those of transformers in every architecture") {
  const std::vector<std::string> names = goldens_with_maps();
  REQUIRE(names.size() >= 18);
  const std::string name = GENERATE_COPY(from_range(names));
  INFO(name);
  const test::Golden golden(name);
  const Model model = Model::load(golden.directory, two_threads());
  std::size_t compared = 0;
  for (std::size_t input = 0; input < golden.inputs().size(); ++input) {
    const std::string prefix = std::to_string(input) + "/attention.";
    std::map<std::string, std::int64_t> layers;  // by kind
    for (const std::string& rest : golden.names(prefix)) ++layers[rest.substr(0, rest.find('.'))];
    for (const auto& [kind, count] : layers) {
      const AttentionResult all = model.attention(request_for(golden, input, kind));
      CHECK(static_cast<std::int64_t>(all.maps.size()) == count);
      for (const AttentionMap& map : all.maps) {
        INFO(kind << " layer " << map.layer);
        const std::vector<float> expected = golden.value(prefix + kind + "." + std::to_string(map.layer));
        CHECK(largest_error(expected, map.weights.f32()) < kTolerance);
        ++compared;
      }
      // One head keeps its dimension and its bits.
      AttentionRequest one = request_for(golden, input, kind);
      one.layers = {count - 1};
      one.heads = {2};
      const AttentionMap map = model.attention(one).maps.front();
      CHECK(map.weights.shape()[0] == 1);
      const auto size = static_cast<std::size_t>(map.weights.shape().elements());
      CHECK(std::ranges::equal(map.weights.f32(), all.maps.back().weights.f32().subspan(2 * size, size)));
    }
  }
  CHECK(compared > 0);
}

GenerationConfig config_for(const Model& model, const nlohmann::json& options) {
  GenerationConfig config = model.generation();
  config.num_beams = options.at("num_beams");
  if (options.contains("length_penalty")) config.length_penalty = options["length_penalty"];
  return config;
}

TEST_CASE("maps of generated sequences are the rows of the steps, with beams those of the best") {
  const test::Golden golden("attention");
  for (std::size_t i = 0; i < golden.expected.at("generated").size(); ++i) {
    const nlohmann::json& c = golden.expected["generated"][i];
    INFO("case " << i << " " << c.dump());
    const Model model = Model::load(test::goldens() / c.at("model").get<std::string>(), two_threads());
    AttentionRequest request;
    request.input.ids = c.at("input_ids").get<Ids>();
    request.generation = config_for(model, c.at("options"));
    for (const char* kind : {"cross", "decoder"}) {
      request.kind = parse_attention_kind(kind);
      const AttentionResult result = model.attention(request);
      CHECK(result.output_ids == c.at("output_ids").get<Ids>());
      CHECK(result.score.has_value() == (request.generation->num_beams > 1));
      CHECK(result.queries.size() == result.output_ids.size());
      for (const AttentionMap& map : result.maps) {
        INFO(kind << " layer " << map.layer);
        const std::string name =
            "generated." + std::to_string(i) + "/" + kind + "." + std::to_string(map.layer);
        CHECK(largest_error(golden.value(name), map.weights.f32()) < kTolerance);
      }
    }
  }
}

// What the model computes at the end for these ids: logits of the first step, or of the head.
std::vector<float> output_of(const Model& model, const Ids& ids, std::vector<HeadScale> scales) {
  Request request;
  request.input.ids = ids;
  request.head_scales = std::move(scales);
  GenerationConfig config = model.generation();
  config.max_new_tokens = 1;
  request.generation = config;
  std::vector<float> output;
  request.on_node = [&](const NodeValue& value) {
    if (value.node == "logits") output = values(value.value);
  };
  model.run(std::move(request));
  return output;
}

TEST_CASE("masked and scaled heads change what transformers' do") {
  const test::Golden golden("attention");
  for (std::size_t i = 0; i < golden.expected.at("masked").size(); ++i) {
    const nlohmann::json& c = golden.expected["masked"][i];
    INFO("case " << i << " " << c.dump());
    const Model model = Model::load(test::goldens() / c.at("model").get<std::string>(), two_threads());
    const Ids ids = c.at("input_ids");
    const HeadScale scale{.kind = parse_attention_kind(c.at("kind").get<std::string>()),
                          .layer = c.at("layer"),
                          .head = c.at("head"),
                          .scale = c.at("scale")};
    const std::vector<float> plain = output_of(model, ids, {});
    const std::vector<float> masked = output_of(model, ids, {scale});
    CHECK(largest_error(golden.value("masked." + std::to_string(i) + "/output"), masked) < 2e-4F);
    CHECK(largest_error(plain, masked) > 1e-3F);
    // A scale of 1 changes nothing, and what was masked before leaves no trace in a cache.
    HeadScale neutral = scale;
    neutral.scale = 1;
    CHECK(output_of(model, ids, {neutral}) == plain);
    CHECK(output_of(model, ids, {}) == plain);
  }
}

Tensor tensor_of(const test::Golden& golden, const std::string& name, Shape shape) {
  return Tensor::from(golden.value(name), shape);
}

TEST_CASE("custom queries get the weights and values that eager attention gives them") {
  const test::Golden golden("attention");
  for (std::size_t i = 0; i < golden.expected.at("queries").size(); ++i) {
    const nlohmann::json& c = golden.expected["queries"][i];
    INFO("case " << i << " " << c.dump());
    const std::string prefix = "queries." + std::to_string(i) + "/";
    const Model model = Model::load(test::goldens() / c.at("model").get<std::string>(), two_threads());
    AttentionRequest request;
    request.input.ids = c.at("input_ids").get<Ids>();
    request.kind = parse_attention_kind(c.at("kind").get<std::string>());
    request.layers = {c.at("layer")};
    const std::int64_t count = i == 0 ? 3 : 2;
    const std::int64_t width = static_cast<std::int64_t>(golden.value(prefix + "query").size()) / count;
    request.query = AttentionQuery{.vectors = tensor_of(golden, prefix + "query", {count, width})};
    const AttentionResult result = model.attention(request);
    REQUIRE(result.maps.size() == 1);
    const AttentionMap& map = result.maps.front();
    CHECK(map.weights.shape() == Shape{4, count, static_cast<std::int64_t>(request.input.ids->size())});
    CHECK(map.values.shape() == Shape{4, count, width / 4});
    CHECK(largest_error(golden.value(prefix + "weights"), map.weights.f32()) < kTolerance);
    CHECK(largest_error(golden.value(prefix + "values"), map.values.f32()) < kTolerance);
    // The same queries of head 1 alone, already projected.
    const std::int64_t head = width / 4;
    const std::vector<float> projected = golden.value(prefix + "head_query");
    request.heads = {1};
    request.query->vectors =
        Tensor::from(std::span(projected).subspan(static_cast<std::size_t>(count * head),
                                                  static_cast<std::size_t>(count * head)),
                     {count, head});
    const AttentionMap one = model.attention(request).maps.front();
    const auto size = one.weights.f32().size();
    const std::vector<float> weights = golden.value(prefix + "weights");
    CHECK(largest_error(std::span(weights).subspan(size, size), one.weights.f32()) < kTolerance);
  }
}

TEST_CASE("an encoder's own text asks as its rows do, wherever positions do not matter to scores") {
  const test::Golden golden("bert-tiny");
  const Model model = Model::load(golden.directory, two_threads());
  AttentionRequest request;
  request.input.ids = golden.inputs()[1];
  const AttentionResult own = model.attention(request);
  // The rows of layer 1 are made again from the hidden states that entered it.
  std::vector<float> states;
  Request probe;
  probe.input.ids = golden.inputs()[1];
  probe.on_node = [&](const NodeValue& value) {
    if (value.node == "bert.encoder.layer.0.output.LayerNorm") states = values(value.value);
  };
  model.run(std::move(probe));
  REQUIRE(!states.empty());
  const auto tokens = static_cast<std::int64_t>(golden.inputs()[1].size());
  request.layers = {1};
  request.query = AttentionQuery{
      .vectors = Tensor::from(states, {tokens, static_cast<std::int64_t>(states.size()) / tokens})};
  const AttentionResult asked = model.attention(request);
  CHECK(same_bits(asked.maps.front().weights, own.maps[1].weights));
}

TEST_CASE("queries know where they stand in layers with positions", "[attention]") {
  const std::string name = GENERATE("modernbert-tiny", "mpnet-tiny");
  INFO(name);
  const test::Golden golden(name);
  const Model model = Model::load(golden.directory, two_threads());
  AttentionRequest request;
  request.input.ids = golden.inputs()[1];
  const AttentionResult own = model.attention(request);
  const auto tokens = static_cast<std::int64_t>(golden.inputs()[1].size());
  // Layer 0 reads the embeddings: those of row p, asked at p, get row p again.
  std::vector<float> states;
  Request probe;
  probe.input.ids = golden.inputs()[1];
  const std::string node = name == "mpnet-tiny" ? "mpnet.embeddings.LayerNorm" : "model.embeddings.norm";
  probe.on_node = [&](const NodeValue& value) {
    if (value.node == node) states = values(value.value);
  };
  model.run(std::move(probe));
  REQUIRE(!states.empty());
  const std::int64_t width = static_cast<std::int64_t>(states.size()) / tokens;
  request.layers = {0};
  for (std::int64_t p = 0; p < tokens; ++p) {
    request.query = AttentionQuery{
        .vectors = Tensor::from(
            std::span(states).subspan(static_cast<std::size_t>(p * width), static_cast<std::size_t>(width)),
            {width}),
        .position = p};
    const Tensor row = model.attention(request).maps.front().weights;
    for (std::int64_t h = 0; h < row.shape()[0]; ++h) {
      const auto expected = own.maps[0].weights.f32().subspan(
          static_cast<std::size_t>((h * tokens + p) * tokens), static_cast<std::size_t>(tokens));
      CHECK(largest_error(expected, row.f32().subspan(static_cast<std::size_t>(h * tokens),
                                                      static_cast<std::size_t>(tokens))) < 1e-6F);
    }
  }
}

TEST_CASE("queries over the prompt of a decoder-only model see what stands before them", "[attention]") {
  // Rotated and absolute positions, norms of queries and keys, soft caps and windows.
  const std::string name = GENERATE("llama-tiny", "gpt2-tiny", "qwen3-tiny", "gemma2-tiny", "mistral-tiny");
  INFO(name);
  const Model model = Model::load(test::goldens() / name, two_threads());
  AttentionRequest request;
  request.input.ids = std::vector<std::int32_t>{5, 9, 6, 12, 7, 20, 8, 11, 5, 10, 13, 14};
  const AttentionResult own = model.attention(request);
  const auto tokens = static_cast<std::int64_t>(request.input.ids->size());
  // What layer 0 read of row p, asked at p, gets row p again.
  std::vector<float> states;
  Request probe;
  probe.input.ids = request.input.ids;
  probe.generation.emplace().max_new_tokens = 1;
  const std::string node = name == "gpt2-tiny" ? "transformer.h.0.ln_1" : "model.layers.0.input_layernorm";
  probe.on_node = [&](const NodeValue& value) {
    if (value.node == node && states.empty()) states = values(value.value);
  };
  REQUIRE_FALSE(model.run(std::move(probe)).error);
  const std::int64_t width = static_cast<std::int64_t>(states.size()) / tokens;
  REQUIRE(width * tokens == static_cast<std::int64_t>(states.size()));
  request.layers = {0};
  for (std::int64_t p = 0; p < tokens; ++p) {
    const auto row =
        std::span(states).subspan(static_cast<std::size_t>(p * width), static_cast<std::size_t>(width));
    request.query = AttentionQuery{.vectors = Tensor::from(row, {1, width})};
    if (p + 1 < tokens) request.query->position = p;  // at the end where nothing is said
    const AttentionMap map = model.attention(request).maps.front();
    const std::span<const float> asked = map.weights.f32();
    const std::span<const float> all = own.maps.front().weights.f32();
    for (std::size_t head = 0; head < map.heads.size(); ++head) {
      const auto expected =
          all.subspan((head * static_cast<std::size_t>(tokens) + static_cast<std::size_t>(p)) *
                          static_cast<std::size_t>(tokens),
                      static_cast<std::size_t>(tokens));
      CHECK(largest_error(expected, asked.subspan(head * expected.size(), expected.size())) < 1e-6F);
    }
  }
}

TEST_CASE("requests for maps that there are not say which there are") {
  const test::Golden golden("marian-tiny");
  const Model model = Model::load(golden.directory, two_threads());
  AttentionRequest request;
  request.input.ids = golden.inputs()[1];
  const auto error_of = [&](const AttentionRequest& bad) -> std::string {
    try {
      model.attention(bad);
    } catch (const Error& error) {
      return error.kind() + ": " + error.where() + ": " + error.message();
    }
    return "no error";
  };
  AttentionRequest bad = request;
  bad.layers = {2};
  CHECK_THAT(error_of(bad), ContainsSubstring("ATTENTION_LAYER: layer 2") && ContainsSubstring("0 to 1"));
  bad = request;
  bad.heads = {-1};
  CHECK_THAT(error_of(bad), ContainsSubstring("ATTENTION_HEAD") && ContainsSubstring("0 to 3"));
  bad = request;
  bad.head_scales = {{.layer = 0, .head = 4}};
  CHECK_THAT(error_of(bad), ContainsSubstring("ATTENTION_HEAD"));
  bad = request;
  bad.input.ids = Ids{};
  CHECK_THAT(error_of(bad), ContainsSubstring("INPUT_EMPTY"));
  bad = request;
  bad.input = {.text = "words"};
  CHECK_THAT(error_of(bad), ContainsSubstring("TOKENIZER_MISSING"));
  bad = request;
  bad.target = Input{.ids = Ids{1, 64, 1}};
  CHECK_THAT(error_of(bad), ContainsSubstring("TOKEN_ID_RANGE"));
  bad = request;
  bad.target = Input{.ids = Ids{64, 1}};
  CHECK_THAT(error_of(bad), ContainsSubstring("TOKEN_ID_RANGE"));
  bad = request;
  bad.query = AttentionQuery{.vectors = Tensor::zeros(DType::f32, {1, 5})};
  CHECK_THAT(error_of(bad), ContainsSubstring("QUERY_SHAPE") && ContainsSubstring("[N, 32]"));
  bad = request;
  bad.kind = AttentionKind::decoder;
  bad.query = AttentionQuery{.vectors = Tensor::zeros(DType::f32, {1, 32})};
  CHECK_THAT(error_of(bad), ContainsSubstring("kind encoder or cross"));

  const test::Golden bert("bert-tiny");
  const Model encoder = Model::load(bert.directory, two_threads());
  request.input.ids = bert.inputs()[1];
  request.kind = AttentionKind::cross;
  CHECK_THROWS_WITH(encoder.attention(request), ContainsSubstring("it has: encoder"));
}

TEST_CASE("a model without attention has no maps") {
  ModelDef def;
  def.architecture = "RecurrentModel";
  def.graphs["encoder"].name = "encoder";
  CHECK(attention_layers(def).empty());
  CHECK_THROWS_WITH(LayerTable(def, {}), ContainsSubstring("no attention layers"));
}

}  // namespace
}  // namespace attend
