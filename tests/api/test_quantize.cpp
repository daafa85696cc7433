// Directories with weights in 8 bits: the same bits as 8 bits at load, whatever the model and its files; and
// nothing half-made, whatever goes wrong.
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/inspect.h"
#include "attend/quantize.h"
#include "engine/onednn/dense.h"
#include "loaders/files/safetensors_writer.h"
#include "tests/api/golden_model.h"
#include "tests/api/node_values.h"
#include "tests/support/temporary_directory.h"

namespace attend {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

bool computes_in_8_bits() {
  return DenseLibrary().prefers(DType::i8, 1024, 1024);
}

// Every model of the goldens, and the demonstration model.
std::vector<fs::path> model_directories() {
  std::vector<fs::path> models = {fs::path(ATTEND_SOURCE_DIR) / "tools/demo/en-ja"};
  for (const fs::path& root : {test::goldens(), test::goldens() / "pipelines"}) {
    for (const auto& entry : fs::directory_iterator(root)) {
      const fs::path& path = entry.path();
      const bool model = fs::exists(path / "config.json") || fs::exists(path / "graph.json");
      const bool weights = fs::exists(path / "model.safetensors") || fs::exists(path / "pytorch_model.bin");
      if (model && weights) models.push_back(path);
    }
  }
  std::sort(models.begin(), models.end());
  return models;
}

// What `quantize` gives runs as `model` does in 8 bits.
void check_quantized_model(const fs::path& model) {
  const TemporaryDirectory root;
  const fs::path out = root / "out";
  const QuantizeSummary summary = quantize(model, out);
  CHECK(summary.quantized_tensors > 0);
  CHECK(summary.quantized_tensors <= summary.tensors);
  CHECK_FALSE(fs::exists(out / "pytorch_model.bin"));
  const Model expected = Model::load(model, {.threads = 1, .dtype = "int8"});
  for (const char* dtype : {"auto", "int8"}) {
    const Model found = Model::load(out, {.threads = 2, .dtype = dtype});
    CHECK(found.info().dtype == expected.info().dtype);
    CHECK(found.info().parameters == expected.info().parameters);
    CHECK(found.info().weights_bytes == expected.info().weights_bytes);
    CHECK(found.info().tasks == expected.info().tasks);
    CHECK((found.tokenizer() == nullptr) == (expected.tokenizer() == nullptr));
    if (computes_in_8_bits()) test::check_same(expected, found);
  }
}

// A checkpoint's tensors in memory, to be changed and written anew.
struct Tensors {
  struct Entry {
    DType dtype;
    Shape shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, Entry> entries;

  explicit Tensors(const fs::path& file) {
    const auto store = open_safetensors(file);
    for (const TensorInfo* tensor : store->tensors()) {
      Entry& entry = entries[tensor->name];
      entry = {tensor->dtype, tensor->shape, std::vector<std::byte>(tensor->size_bytes())};
      store->read(*tensor, 0, entry.bytes);
    }
  }

  void write(const fs::path& file) const {
    std::vector<TensorInfo> listing;
    for (const auto& [name, entry] : entries) listing.push_back({name, entry.dtype, entry.shape, ""});
    SafetensorsWriter writer(file, listing);
    for (const auto& [name, entry] : entries) writer.write(entry.bytes);
    writer.finish();
  }
};

nlohmann::json read_json(const fs::path& file) {
  std::ifstream in(file);
  return nlohmann::json::parse(in);
}
void write_json(const fs::path& file, const nlohmann::json& json) {
  std::ofstream(file) << json.dump();
}

// The first issue of loading; empty when it succeeds.
Issue refusal(const fs::path& directory) {
  try {
    Model::load(directory, {.threads = 1});
  } catch (const Error& error) {
    return error.issues().front();
  }
  return {};
}

// One layer of marian-tiny in 8 bits.
constexpr const char* kWeight = "model.encoder.layers.0.fc1.weight";
constexpr const char* kScales = "model.encoder.layers.0.fc1.weight_scale";

// A quantised marian-tiny whose file `spoil` has changed.
template <typename Spoil>
Issue refusal_of(const Spoil& spoil) {
  const TemporaryDirectory root;
  quantize(test::goldens() / "marian-tiny", root / "out");
  Tensors tensors(root / "out" / "model.safetensors");
  nlohmann::json config = read_json(root / "out" / "config.json");
  REQUIRE(tensors.entries.contains(kWeight));
  REQUIRE(tensors.entries.contains(kScales));
  spoil(tensors.entries, config);
  tensors.write(root / "out" / "model.safetensors");
  write_json(root / "out" / "config.json", config);
  return refusal(root / "out");
}

using Entries = std::map<std::string, Tensors::Entry>;
using nlohmann::json;

}  // namespace

TEST_CASE("a quantised directory runs as its model in 8 bits, bit for bit", "[quantize]") {
  const std::vector<fs::path> models = model_directories();
  REQUIRE(models.size() > 60);
  for (const fs::path& model : models) {
    INFO(model.filename().string());
    check_quantized_model(model);
  }
  if (!computes_in_8_bits()) SKIP("this processor has no product of 8-bit weights: bits were not compared");
}

TEST_CASE("a sharded checkpoint and one with a folder for the transformer are quantised", "[quantize]") {
  SECTION("shards") {
    const TemporaryDirectory model;
    fs::copy(test::goldens() / "llama-tiny", model.path(), fs::copy_options::recursive);
    Tensors all(model / "model.safetensors");
    fs::remove(model / "model.safetensors");
    Tensors half = all;
    json map;
    int count = 0;
    for (const auto& [name, entry] : Entries(all.entries)) {
      const bool first = ++count % 2 == 0;
      (first ? half : all).entries.erase(name);
      map[name] = first ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
    }
    all.write(model / "model-00001-of-00002.safetensors");
    half.write(model / "model-00002-of-00002.safetensors");
    write_json(model / "model.safetensors.index.json", {{"weight_map", map}});
    check_quantized_model(model.path());
  }
  SECTION("0_Transformer") {
    const TemporaryDirectory model;
    const fs::path golden = test::goldens() / "pipelines/bert-base";
    fs::copy(golden, model.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fs::create_directory(model / "0_Transformer");
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                             "sentence_bert_config.json"})
      fs::rename(model / name, model / "0_Transformer" / name);
    json modules = read_json(model / "modules.json");
    modules[0]["path"] = "0_Transformer";
    write_json(model / "modules.json", modules);
    check_quantized_model(model.path());
    const TemporaryDirectory root;
    quantize(model.path(), root / "out");
    const auto embedding = [](const fs::path& directory) {
      Request request;
      request.task = "sentence-embedding";
      request.input.text = "a";
      return Model::load(directory, {.threads = 1, .dtype = "int8"}).run(std::move(request)).value.json();
    };
    CHECK(embedding(model.path()).size() > 20);
    if (computes_in_8_bits()) CHECK(embedding(root / "out") == embedding(model.path()));
    CHECK(fs::exists(root / "out/2_Dense/model.safetensors"));
    CHECK(fs::exists(root / "out/0_Transformer/model.safetensors"));
    CHECK_FALSE(fs::exists(root / "out/model.safetensors"));
  }
}

TEST_CASE("an exported graph of a quantised directory runs in its place", "[quantize][graph]") {
  const TemporaryDirectory root;
  quantize(test::goldens() / "gpt2-tiny", root / "out");
  const Model built_in = Model::load(root / "out", {.threads = 1});
  const std::string graph = model_graph_json(root / "out");
  std::ofstream(root / "out" / "graph.json") << graph;
  test::check_same(built_in, Model::load(root / "out", {.threads = 1}));
}

TEST_CASE("a quantised directory can be computed with in f32", "[quantize]") {
  const TemporaryDirectory root;
  quantize(test::goldens() / "llama-tiny", root / "out");
  const Model exact = Model::load(test::goldens() / "llama-tiny", {.threads = 1, .dtype = "f32"});
  const Model rounded = Model::load(root / "out", {.threads = 1, .dtype = "f32"});
  CHECK(rounded.info().dtype == "f32");
  const auto logits = [](const Model& model) {
    return test::run_nodes(model, {5, 6, 7, 8}, 1).nodes.back().second;
  };
  const std::vector<float> a = logits(exact);
  const std::vector<float> b = logits(rounded);
  REQUIRE(a.size() == b.size());
  CHECK(test::cosine(a, b) > 0.999);
  CHECK(a != b);
}

TEST_CASE("inspect tells the types of a quantised directory", "[quantize][inspect]") {
  const TemporaryDirectory root;
  const QuantizeSummary summary = quantize(test::goldens() / "marian-tiny", root / "out");
  const Inspection plain = inspect_model(test::goldens() / "marian-tiny", {.threads = 1});
  const Inspection found = inspect_model(root / "out", {.threads = 1});
  CHECK(found.supported);
  CHECK(found.info.dtype == (computes_in_8_bits() ? "int8" : "f32"));
  CHECK(found.info.parameters == plain.info.parameters);
  CHECK(found.memory.weights_file_bytes == summary.quantized_file_bytes);
  CHECK(found.memory.weights_file_bytes * 2 < plain.memory.weights_file_bytes);
  CHECK(found.memory.weights_bytes < plain.memory.weights_bytes);
  const auto group = std::find_if(found.tensors.begin(), found.tensors.end(), [](const TensorGroup& g) {
    return g.name == "model.encoder.layers.*.fc1";
  });
  REQUIRE(group != found.tensors.end());
  CHECK(group->dtypes == std::vector<std::string>{"f32", "i8"});
  std::int64_t parameters = 0;
  for (const TensorGroup& each : found.tensors) parameters += each.parameters;
  CHECK(parameters == found.info.parameters);
}

TEST_CASE("malformed 8-bit weights are refused by name", "[quantize][malformed]") {
  const auto check = [](const std::string& kind, const std::string& where, const auto& spoil) {
    const Issue issue = refusal_of(spoil);
    INFO(issue.kind << " " << issue.where << ": " << issue.message);
    CHECK(issue.kind == kind);
    CHECK(issue.where.find(where) != std::string::npos);
  };
  const auto scale = [](Entries& entries, std::size_t i) -> float& {
    return reinterpret_cast<float*>(entries.at(kScales).bytes.data())[i];
  };
  check("", "", [](Entries&, json&) {});
  check("QUANT_SCALE_MISSING", kScales, [](Entries& entries, json&) { entries.erase(kScales); });
  check("QUANT_SCALE_SHAPE", kScales,
        [](Entries& entries, json&) { entries.at(kScales).shape = Shape{entries.at(kScales).shape[0]}; });
  check("QUANT_SCALE_SHAPE", kScales, [](Entries& entries, json&) {
    entries.at(kScales).shape = Shape{1, entries.at(kScales).shape[0]};
  });
  check("QUANT_SCALE_DTYPE", kScales, [](Entries& entries, json&) {
    Tensors::Entry& scales = entries.at(kScales);
    scales.dtype = DType::bf16;
    scales.bytes.resize(scales.bytes.size() / 2);
  });
  check("QUANT_SCALE_VALUE", std::string(kScales) + "[3]",
        [&](Entries& entries, json&) { scale(entries, 3) = std::numeric_limits<float>::quiet_NaN(); });
  check("QUANT_SCALE_VALUE", std::string(kScales) + "[0]",
        [&](Entries& entries, json&) { scale(entries, 0) = std::numeric_limits<float>::infinity(); });
  check("QUANT_SCALE_VALUE", std::string(kScales) + "[1]",
        [&](Entries& entries, json&) { scale(entries, 1) = -scale(entries, 1); });
  check("MODEL_TENSOR_SHAPE", kWeight, [](Entries& entries, json&) {
    const Shape shape = entries.at(kWeight).shape;
    entries.at(kWeight).shape = Shape{shape[1], shape[0]};
  });
  check("MODEL_TENSOR_UNUSED", kScales, [](Entries& entries, json&) {
    Tensors::Entry& weight = entries.at(kWeight);
    weight.dtype = DType::f32;
    weight.bytes.assign(weight.bytes.size() * 4, std::byte{0});
  });
  // What nothing but a product may read so.
  check("MODEL_TENSOR_DTYPE", "layer_norm.weight", [](Entries& entries, json&) {
    const std::string name = "model.encoder.layers.0.final_layer_norm.weight";
    Tensors::Entry& weight = entries.at(name);
    weight.dtype = DType::i8;
    weight.bytes.resize(weight.bytes.size() / 4);
    entries[name + "_scale"] = {DType::f32, weight.shape, std::vector<std::byte>(weight.bytes.size() * 4)};
  });
  check("MODEL_TENSOR_DTYPE", ".weight", [](Entries&, json& config) { config.erase("quantization_config"); });
}

TEST_CASE("quantisation of other kinds is refused by the name of its method", "[quantize][malformed]") {
  const auto refused = [](const auto& spoil) {
    const Issue issue = refusal_of([&](Entries&, json& config) { spoil(config.at("quantization_config")); });
    INFO(issue.where << ": " << issue.message);
    CHECK(issue.where.find("config.json: quantization_config") != std::string::npos);
    return issue;
  };
  for (const char* method : {"awq", "gptq", "bitsandbytes", "fp8", "compressed-tensors"}) {
    const Issue issue = refused([&](json& block) { block["quant_method"] = method; });
    CHECK(issue.kind == "CFG_QUANTIZATION");
    CHECK(issue.message.find(method) != std::string::npos);
  }
  CHECK(refused([](json& block) { block.erase("quant_method"); }).kind == "CFG_QUANTIZATION");
  CHECK(refused([](json& block) { block = "int8"; }).kind == "CFG_QUANTIZATION");
  CHECK(refused([](json& block) { block["weights"] = "int4"; }).kind == "CFG_QUANTIZATION");
  CHECK(refused([](json& block) { block["granularity"] = "group"; }).kind == "CFG_QUANTIZATION");
  CHECK(refused([](json& block) { block["version"] = 2; }).kind == "CFG_FIELD_RANGE");
  CHECK(refused([](json& block) { block.erase("version"); }).kind == "CFG_FIELD_MISSING");
}

TEST_CASE("what cannot be quantised leaves nothing behind", "[quantize]") {
  const TemporaryDirectory root;
  const fs::path marian = test::goldens() / "marian-tiny";
  const auto kind_of = [&](const fs::path& model, const fs::path& out, const QuantizeOptions& options = {}) {
    try {
      quantize(model, out, options);
    } catch (const Error& error) {
      INFO(error.where() << ": " << error.message());
      CHECK_FALSE(error.where().empty());
      return error.kind();
    }
    return std::string();
  };
  const auto left = [&] {
    return std::distance(fs::directory_iterator(root.path()), fs::directory_iterator());
  };
  CHECK(kind_of(root / "nowhere", root / "out") == "MODEL_DIR_NOT_FOUND");
  CHECK(kind_of(marian, root / "out", {.dtype = "int4"}) == "DTYPE_UNSUPPORTED");
  CHECK(kind_of(marian, root / "missing/out") == "QUANTIZE_OUT");
  CHECK(kind_of(marian, "/proc/attend-out") == "QUANTIZE_OUT");  // where not even root may write
  int calls = 0;
  CHECK(kind_of(marian, root / "out", {.cancelled = [&] { return ++calls > 10; }}) == "CANCELLED");
  CHECK(calls == 11);
  CHECK(left() == 0);

  // A disk that is full after 20 kB.
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{20000, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string full = kind_of(marian, root / "out");
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(full == "FILE_WRITE");
  CHECK(left() == 0);

  fs::copy(marian, root / "model");
  Tensors spoiled(root / "model" / "model.safetensors");
  reinterpret_cast<float*>(spoiled.entries.at(kWeight).bytes.data())[5] =
      std::numeric_limits<float>::infinity();
  spoiled.write(root / "model" / "model.safetensors");
  CHECK(kind_of(root / "model", root / "out") == "ST_NONFINITE");
  CHECK(kind_of(root / "model", root / "model") == "QUANTIZE_OUT");
  CHECK(kind_of(root / "model", root / "model/../model/") == "QUANTIZE_OUT");
  root.write("file", "text");
  CHECK(kind_of(marian, root / "file") == "QUANTIZE_OUT");
  CHECK(left() == 2);

  fs::create_directory(root / "empty");
  CHECK(kind_of(marian, root / "empty/") == "");
  CHECK(fs::exists(root / "empty/model.safetensors"));
  CHECK(kind_of(marian, root / "empty") == "QUANTIZE_OUT");
  CHECK(kind_of(root / "empty", root / "again") == "QUANTIZE_ALREADY");
  CHECK(left() == 3);
}

}  // namespace attend
