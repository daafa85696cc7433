// graph.json: what is written is read back, what is wrong is refused with its place.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "engine/graph/check.h"
#include "loaders/graph/graph_file.h"
#include "loaders/load_model.h"
#include "tests/support/memory_store.h"

namespace attend {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path goldens() {
  return fs::path(ATTEND_SOURCE_DIR) / "tests" / "goldens";
}

std::vector<fs::path> golden_models() {
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(goldens())) {
    const fs::path& path = entry.path();
    if (fs::exists(path / "config.json") || fs::exists(path / "graph.json")) models.push_back(path);
  }
  std::sort(models.begin(), models.end());
  return models;
}

Json golden_graph(const std::string& name) {
  std::ifstream file(goldens() / name / "graph.json");
  return Json::parse(file);
}

Json& node(Json& graph, const std::string& name) {
  for (Json& each : graph["graphs"][0]["nodes"]) {
    if (each["name"] == name) return each;
  }
  throw std::runtime_error("no node " + name);
}

// The issues of reading `text` over the golden's weights; none when it is accepted.
std::vector<Issue> issues_of(const std::string& golden, const std::string& text) {
  static std::map<std::string, LoadedModel> loaded;
  if (!loaded.contains(golden)) loaded.emplace(golden, load_model(goldens() / golden));
  Checkpoint checkpoint(*loaded.at(golden).weights);
  try {
    read_graph(text, "graph.json", "/nowhere", checkpoint);
    return checkpoint.finish();
  } catch (const Error& error) {
    return error.issues();
  }
}

struct Mutation {
  const char* name;
  const char* kind;
  const char* where;  // how the place begins
  std::function<void(Json&)> change;
};

void check_refused(const std::string& golden, const std::vector<Mutation>& mutations) {
  const Json good = golden_graph(golden);
  REQUIRE(issues_of(golden, good.dump()).empty());
  for (const Mutation& mutation : mutations) {
    Json graph = good;
    mutation.change(graph);
    INFO(mutation.name);
    const std::vector<Issue> issues = issues_of(golden, graph.dump());
    REQUIRE_FALSE(issues.empty());
    INFO(issues[0].where << ": " << issues[0].message);
    CHECK(issues[0].kind == mutation.kind);
    CHECK(issues[0].where.starts_with(mutation.where));
  }
}

}  // namespace

TEST_CASE("every definition passes the checks of graph files", "[graph]") {
  const auto models = golden_models();
  REQUIRE(models.size() > 50);
  for (const fs::path& path : models) {
    INFO(path.filename().string());
    const LoadedModel loaded = load_model(path);
    for (const GraphFinding& finding : check_graphs(loaded.def)) {
      INFO(finding.graph << " " << finding.node << " " << finding.field << ": " << finding.message);
      CHECK(false);
    }
  }
}

TEST_CASE("a graph that is written and read is the same, with every weight", "[graph]") {
  for (const fs::path& path : golden_models()) {
    INFO(path.filename().string());
    const LoadedModel loaded = load_model(path);
    const std::string text = write_graph(loaded.def, *loaded.weights);
    Checkpoint checkpoint(*loaded.weights);
    const ModelDef read = read_graph(text, "graph.json", path, checkpoint);
    CHECK(checkpoint.finish().empty());
    CHECK(write_graph(read, *loaded.weights) == text);
    REQUIRE(read.graphs.size() == loaded.def.graphs.size());
    for (const auto& [name, graph] : loaded.def.graphs) {
      const Graph& other = *read.graph(name);
      CHECK(other.values == graph.values);
      CHECK(other.tokens == graph.tokens);
      REQUIRE(other.nodes.size() == graph.nodes.size());
      for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        INFO(graph.nodes[n].name);
        CHECK(other.nodes[n].name == graph.nodes[n].name);
        CHECK(other.nodes[n].inputs == graph.nodes[n].inputs);
        CHECK(other.nodes[n].state == graph.nodes[n].state);
        REQUIRE(other.nodes[n].weights.size() == graph.nodes[n].weights.size());
        for (const WeightRef& ref : graph.nodes[n].weights) {
          INFO(ref.role);
          const WeightRef* same = other.nodes[n].weight(ref.role);
          REQUIRE(same != nullptr);
          CHECK(same->tensor == ref.tensor);
          CHECK(same->shape == ref.shape);
          CHECK(same->row_begin == ref.row_begin);
          CHECK(same->rows == ref.rows);
          CHECK(same->transposed == ref.transposed);
        }
      }
    }
  }
}

TEST_CASE("a decoder's graph.json that is wrong is refused with its place", "[graph]") {
  check_refused(
      "graph-parallel-tiny",
      {
          {"no format", "GRAPH_FIELD_MISSING", "graph.json: format", [](Json& g) { g.erase("format"); }},
          {"other format", "GRAPH_VERSION", "graph.json: format", [](Json& g) { g["format"] = "onnx"; }},
          {"later version", "GRAPH_VERSION", "graph.json: version", [](Json& g) { g["version"] = 2; }},
          {"version 1.0", "GRAPH_FIELD_TYPE", "graph.json: version", [](Json& g) { g["version"] = 1.0; }},
          {"unknown key", "GRAPH_KEY_UNKNOWN", "graph.json: author", [](Json& g) { g["author"] = "me"; }},
          {"no graphs", "GRAPH_FIELD_MISSING", "graph.json: graphs", [](Json& g) { g.erase("graphs"); }},
          {"empty graphs", "GRAPH_FAMILY", "graph.json graphs", [](Json& g) { g["graphs"] = Json::array(); }},
          {"no array", "GRAPH_FIELD_TYPE", "graph.json: graphs",
           [](Json& g) { g["graphs"] = Json::object(); }},
          {"two decoders", "GRAPH_NAME", "graph.json: graphs[1].name",
           [](Json& g) { g["graphs"].push_back(g["graphs"][0]); }},
          {"other graph", "GRAPH_NAME", "graph.json: graphs[0].name",
           [](Json& g) { g["graphs"][0]["name"] = "main"; }},
          {"other family", "GRAPH_FAMILY", "graph.json graphs",
           [](Json& g) {
             g["family"] = "encoder_decoder";
             g["tasks"] = {"translation"};
           }},
          {"unknown family", "GRAPH_VALUE", "graph.json: family", [](Json& g) { g["family"] = "rnn"; }},
          {"unknown task", "GRAPH_TASK", "graph.json tasks", [](Json& g) { g["tasks"] = {"telepathy"}; }},
          {"no vocabulary", "GRAPH_FIELD_RANGE", "graph.json: vocab_size",
           [](Json& g) { g["vocab_size"] = 0; }},
          {"ids beyond the table", "GRAPH_SIZE", "graph.json: graphs[0].nodes[0].rows",
           [](Json& g) {
             g["vocab_size"] = 49;
             g["target_vocab_size"] = 49;
           }},
          {"ids that cannot be fed back", "GRAPH_SIZE", "graph.json target_vocab_size",
           [](Json& g) { g["target_vocab_size"] = 47; }},
          {"id outside of the vocabulary", "CFG_TOKEN_ID", "graph.json: generation.eos_token_id",
           [](Json& g) { g["generation"]["eos_token_id"] = {48}; }},
          {"unknown generation option", "GRAPH_KEY_UNKNOWN", "graph.json: generation.beams",
           [](Json& g) { g["generation"]["beams"] = 2; }},
          {"unknown op", "GRAPH_OP", "graph.json: graphs[0].nodes[1].op",
           [](Json& g) { node(g, "blocks.0.norm")["op"] = "batch_norm"; }},
          {"unknown attribute", "GRAPH_KEY_UNKNOWN", "graph.json: graphs[0].nodes[2].dropout",
           [](Json& g) { node(g, "blocks.0.attention")["dropout"] = 0.1; }},
          {"unknown nested attribute", "GRAPH_KEY_UNKNOWN", "graph.json: graphs[0].nodes[2].rope.base",
           [](Json& g) { node(g, "blocks.0.attention")["rope"]["base"] = 1.0; }},
          {"no heads", "GRAPH_FIELD_RANGE", "graph.json: graphs[0].nodes[2].heads",
           [](Json& g) { node(g, "blocks.0.attention")["heads"] = 0; }},
          {"no epsilon", "GRAPH_RANGE", "graph.json: graphs[0].nodes[1].eps",
           [](Json& g) { node(g, "blocks.0.norm")["eps"] = 0; }},
          {"heads as a text", "GRAPH_FIELD_TYPE", "graph.json: graphs[0].nodes[2].heads",
           [](Json& g) { node(g, "blocks.0.attention")["heads"] = "4"; }},
          {"missing heads", "GRAPH_FIELD_MISSING", "graph.json: graphs[0].nodes[2].heads",
           [](Json& g) { node(g, "blocks.0.attention").erase("heads"); }},
          {"groups that do not divide", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[2].kv_heads",
           [](Json& g) {
             node(g, "blocks.0.attention")["kv_heads"] = 3;
             g["states"][0]["kv_heads"] = 3;
           }},
          {"no mask", "GRAPH_OP", "graph.json: graphs[0].nodes[2].mask",
           [](Json& g) { node(g, "blocks.0.attention").erase("mask"); }},
          {"no state", "GRAPH_STATE", "graph.json: graphs[0].nodes[2].state",
           [](Json& g) { node(g, "blocks.0.attention").erase("state"); }},
          {"state of another", "GRAPH_STATE", "graph.json states[",
           [](Json& g) { node(g, "blocks.0.attention")["state"] = "blocks.1.attention"; }},
          {"unknown state", "GRAPH_STATE", "graph.json: graphs[0].nodes[2].state",
           [](Json& g) { node(g, "blocks.0.attention")["state"] = "x"; }},
          {"unused state", "GRAPH_STATE", "graph.json states[2]",
           [](Json& g) {
             g["states"].push_back(g["states"][0]);
             g["states"][2]["name"] = "x";
           }},
          {"state of another size", "GRAPH_STATE", "graph.json: graphs[0].nodes[2].state",
           [](Json& g) { g["states"][0]["head_dim"] = 8; }},
          {"two states of a name", "GRAPH_NAME", "graph.json: states[2].name",
           [](Json& g) { g["states"].push_back(g["states"][0]); }},
          {"odd rotation", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[2].rope.dims",
           [](Json& g) { node(g, "blocks.0.attention")["rope"]["dims"] = 3; }},
          {"rotation beyond the head", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[2].rope.dims",
           [](Json& g) { node(g, "blocks.0.attention")["rope"]["dims"] = 8; }},
          {"too few frequencies", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[2].rope.inv_freq",
           [](Json& g) { node(g, "blocks.0.attention")["rope"]["inv_freq"] = {1.0}; }},
          {"a frequency as a text", "GRAPH_FIELD_TYPE", "graph.json: graphs[0].nodes[2].rope.inv_freq[1]",
           [](Json& g) { node(g, "blocks.0.attention")["rope"]["inv_freq"][1] = "x"; }},
          {"later value", "GRAPH_VALUE", "graph.json: graphs[0].nodes[1].inputs[0]",
           [](Json& g) { node(g, "blocks.0.norm")["inputs"] = {"blocks.0.sum"}; }},
          {"its own value", "GRAPH_VALUE", "graph.json: graphs[0].nodes[1].inputs[0]",
           [](Json& g) { node(g, "blocks.0.norm")["inputs"] = {"blocks.0.norm"}; }},
          {"indices where values belong", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[1].inputs",
           [](Json& g) { node(g, "blocks.0.norm")["inputs"] = {"tokens"}; }},
          {"values where indices belong", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[1].inputs",
           [](Json& g) {
             Json second = node(g, "embed");
             second["name"] = "again";
             second["inputs"] = {"embed"};
             g["graphs"][0]["nodes"].insert(g["graphs"][0]["nodes"].begin() + 1, second);
           }},
          {"one summand", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[4].inputs",
           [](Json& g) { node(g, "blocks.0.with_attention")["inputs"] = {"embed"}; }},
          {"no input", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[1].inputs",
           [](Json& g) { node(g, "blocks.0.norm")["inputs"] = Json::array(); }},
          {"rows of two kinds", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[12].inputs",
           [](Json& g) {
             g["graphs"][0]["nodes"].insert(
                 g["graphs"][0]["nodes"].begin() + 12,
                 Json{{"name", "wrong"}, {"op", "add"}, {"inputs", {"rows", "embed"}}});
           }},
          {"a name twice", "GRAPH_NAME", "graph.json: graphs[0].nodes[2].name",
           [](Json& g) { node(g, "blocks.0.attention")["name"] = "blocks.0.norm"; }},
          {"a reserved name", "GRAPH_NAME", "graph.json: graphs[0].nodes[1].name",
           [](Json& g) { node(g, "blocks.0.norm")["name"] = "positions"; }},
          {"an empty name", "GRAPH_NAME", "graph.json: graphs[0].nodes[1].name",
           [](Json& g) { node(g, "blocks.0.norm")["name"] = ""; }},
          {"a line break in a name", "GRAPH_NAME", "graph.json: graphs[0].nodes[1].name",
           [](Json& g) { node(g, "blocks.0.norm")["name"] = "a\nb"; }},
          {"no output", "GRAPH_OUTPUT", "graph.json: graphs[0].outputs.logits",
           [](Json& g) { g["graphs"][0]["outputs"] = Json::object(); }},
          {"output of other rows", "GRAPH_OUTPUT", "graph.json: graphs[0].outputs.logits",
           [](Json& g) { g["graphs"][0]["outputs"]["logits"] = "embed"; }},
          {"output of nothing", "GRAPH_VALUE", "graph.json: graphs[0].outputs.logits",
           [](Json& g) { g["graphs"][0]["outputs"]["logits"] = "x"; }},
          {"output of an input", "GRAPH_VALUE", "graph.json: graphs[0].outputs.ids",
           [](Json& g) { g["graphs"][0]["outputs"]["ids"] = "tokens"; }},
          {"missing weight", "GRAPH_FIELD_MISSING", "graph.json: graphs[0].nodes[1].weights",
           [](Json& g) { node(g, "blocks.0.norm")["weights"].erase("weight"); }},
          {"unknown role", "GRAPH_KEY_UNKNOWN", "graph.json: graphs[0].nodes[1].weights.gamma",
           [](Json& g) { node(g, "blocks.0.norm")["weights"]["gamma"] = "last.gain"; }},
          {"missing tensor", "MODEL_TENSOR_MISSING", "graph.json: graphs[0].nodes[1].weights.weight",
           [](Json& g) { node(g, "blocks.0.norm")["weights"]["weight"] = "x"; }},
          {"tensor of another shape", "MODEL_TENSOR_SHAPE", "graph.json: graphs[0].nodes[1].weights.weight",
           [](Json& g) { node(g, "blocks.0.norm")["weights"]["weight"] = "embed"; }},
          {"slice beyond the end", "MODEL_TENSOR_SHAPE",
           "graph.json: graphs[0].nodes[2].weights.\"v.weight\"",
           [](Json& g) { node(g, "blocks.0.attention")["weights"]["v.weight"]["first_row"] = 37; }},
          {"slice of another size", "MODEL_TENSOR_SHAPE",
           "graph.json: graphs[0].nodes[2].weights.\"v.weight\"",
           [](Json& g) { node(g, "blocks.0.attention")["weights"]["v.weight"]["rows"] = 11; }},
          {"transposed the wrong way", "MODEL_TENSOR_SHAPE",
           "graph.json: graphs[0].nodes[3].weights.\"up.weight\"",
           [](Json& g) { node(g, "blocks.0.mlp")["weights"]["up.weight"] = "blocks.0.up"; }},
          {"transposed table", "GRAPH_SHAPE", "graph.json: graphs[0].nodes[0].weights.weight",
           [](Json& g) {
             node(g, "embed")["weights"]["weight"] = {{"tensor", "embed"}, {"transposed", true}};
           }},
          {"one bias of three", "GRAPH_FIELD_MISSING", "graph.json: graphs[0].nodes[2].weights",
           [](Json& g) { node(g, "blocks.0.attention")["weights"].erase("k.bias"); }},
          {"unused tensor", "MODEL_TENSOR_UNUSED", "blocks.0.down_bias",
           [](Json& g) { node(g, "blocks.0.mlp")["weights"].erase("down.bias"); }},
          {"rows of other sequences", "GRAPH_OP", "graph.json: graphs[0].nodes[12].op",
           [](Json& g) {
             g["graphs"][0]["nodes"].insert(g["graphs"][0]["nodes"].begin() + 12,
                                            Json{{"name", "m"}, {"op", "mean_rows"}, {"inputs", {"embed"}}});
           }},
          {"table of positions without a limit", "GRAPH_SIZE", "graph.json: graphs[0].nodes[0].rows",
           [](Json& g) {
             g["max_positions"] = 0;
             node(g, "embed")["inputs"] = {"positions"};
           }},
      });
}

TEST_CASE("an encoder's graph.json that is wrong is refused with its place", "[graph]") {
  check_refused(
      "graph-mean-tiny",
      {
          {"unknown head", "GRAPH_HEAD", "graph.json head", [](Json& g) { g["head"] = "ForTelepathy"; }},
          {"another head", "GRAPH_OUTPUT", "graph.json: graphs[0].outputs.logits",
           [](Json& g) { g["head"] = "ForTokenClassification"; }},
          {"another head's outputs", "GRAPH_OUTPUT", "graph.json: graphs[0].outputs.start_logits",
           [](Json& g) { g["head"] = "ForQuestionAnswering"; }},
          {"too few labels", "GRAPH_OUTPUT", "graph.json: graphs[0].outputs.logits",
           [](Json& g) {
             g["labels"] = {"a", "b"};
           }},
          {"tasks of its own", "GRAPH_TASK", "graph.json tasks",
           [](Json& g) { g["tasks"] = {"text-generation"}; }},
          {"causal attention", "GRAPH_OP", "graph.json: graphs[0].nodes[2].mask",
           [](Json& g) { node(g, "0.attention")["mask"] = "causal"; }},
          {"one bucket", "GRAPH_FIELD_RANGE", "graph.json: graphs[0].nodes[2].relative_bias.buckets",
           [](Json& g) { node(g, "0.attention")["relative_bias"]["buckets"] = 1; }},
          {"buckets without a distance", "GRAPH_SHAPE",
           "graph.json: graphs[0].nodes[2].relative_bias.max_distance",
           [](Json& g) { node(g, "0.attention")["relative_bias"]["max_distance"] = 2; }},
          {"cross-attention alone", "GRAPH_OP", "graph.json: graphs[0].nodes[1].op",
           [](Json& g) {
             g["states"] = {{{"name", "c"}, {"kind", "cross"}, {"kv_heads", 4}, {"head_dim", 6}}};
             g["graphs"][0]["nodes"].insert(g["graphs"][0]["nodes"].begin() + 1,
                                            Json{{"name", "c"},
                                                 {"op", "cross_kv"},
                                                 {"inputs", {"tokens_embedded"}},
                                                 {"heads", 4},
                                                 {"state", "c"},
                                                 {"weights", {{"k.weight", "0.k"}, {"v.weight", "0.v"}}}});
           }},
      });
}

TEST_CASE("files that are no graph", "[graph]") {
  for (const char* text :
       {"", "{", "[]", "null", "{\"format\": \"attend-graph\", \"format\": \"attend-graph\"}",
        "{\"format\": 1}", "\xff", "{} x"}) {
    INFO(text);
    CHECK_FALSE(issues_of("graph-mean-tiny", text).empty());
  }
  std::string deep = R"({"format":"attend-graph","version":1,"graphs":)";
  for (int i = 0; i < 100000; ++i) deep += '[';
  CHECK(issues_of("graph-mean-tiny", deep)[0].kind == "CFG_JSON_DEPTH");
}

}  // namespace attend
