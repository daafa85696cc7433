#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "engine/graph/builder.h"
#include "engine/graph/check.h"
#include "loaders/files/config_reader.h"
#include "loaders/files/generation_config_reader.h"
#include "loaders/files/quantization.h"
#include "loaders/graph/graph_file.h"
#include "loaders/graph/read_fields.h"

namespace attend {
namespace {

namespace fs = std::filesystem;
using graph_file::read_fields;
using graph_file::refuse_unknown_keys;

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostNodes = 8192;  // of a graph: the planner looks at pairs of nodes
constexpr std::size_t kMostStates = 8192;
constexpr std::size_t kMostNameBytes = 512;
constexpr const char* kInputs[] = {"tokens", "positions", "token_types"};

// Names go into files, messages and terminals.
std::string read_name(const JsonField& json) {
  const std::string_view name = json.string();
  const bool clean = std::none_of(name.begin(), name.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!clean || name.empty() || name.size() > kMostNameBytes) {
    json.refuse("NAME", fmt::format("expected a name of 1 to {} bytes without control characters, found {}",
                                    kMostNameBytes, json.value().describe()));
  }
  return std::string(name);
}

void at_most(const JsonField& list, std::size_t most) {
  if (list.size() > most)
    list.refuse("SIZE", fmt::format("expected at most {} entries, found {}", most, list.size()));
}

// The operation of this name with default attributes.
template <std::size_t I = 0>
std::optional<Op> make_op(std::string_view name) {
  if constexpr (I == std::variant_size_v<Op>) {
    return std::nullopt;
  } else {
    Op op(std::in_place_index<I>);
    return kind_name(op) == name ? std::optional(std::move(op)) : make_op<I + 1>(name);
  }
}

template <std::size_t I = 0>
void op_names(std::vector<std::string>& names) {
  if constexpr (I < std::variant_size_v<Op>) {
    names.emplace_back(kind_name(Op(std::in_place_index<I>)));
    op_names<I + 1>(names);
  }
}

class GraphReader {
 public:
  GraphReader(const JsonField& root, Checkpoint& checkpoint) : root_(root), checkpoint_(checkpoint) {}

  ModelDef read() {
    check_format();
    refuse_unknown_keys<ModelDef>(
        root_, {"format", "version", "generation", "ignored_tensors", "states", "graphs", kQuantizationKey});
    read_fields(root_, model_);
    if (const auto ignored = root_.get("ignored_tensors")) checkpoint_.ignore(ignored->strings());
    read_states();
    const JsonField graphs = root_["graphs"];
    at_most(graphs, 2);
    for (std::size_t i = 0; i < graphs.size(); ++i) read_graph(graphs.at(i));
    if (std::vector<Issue> issues = findings(); !issues.empty()) throw Error(std::move(issues));
    return std::move(model_);
  }

 private:
  void check_format() const {
    if (root_["format"].string() != "attend-graph") {
      root_["format"].refuse("VERSION", fmt::format("expected the string \"attend-graph\", found {}",
                                                    root_["format"].value().describe()));
    }
    const std::int64_t version = root_["version"].integer(0, INT32_MAX);
    if (version != kVersion) {
      root_["version"].refuse("VERSION",
                              fmt::format("this attend reads version {}, found {}", kVersion, version));
    }
  }

  void read_states() {
    const auto states = root_.get("states");
    if (!states) return;
    at_most(*states, kMostStates);
    for (std::size_t i = 0; i < states->size(); ++i) {
      const JsonField json = states->at(i);
      StateSpec state;
      graph_file::read_object(json, state);
      read_name(json["name"]);
      if (!states_.emplace(state.name, static_cast<int>(i)).second)
        json["name"].refuse("NAME", fmt::format("there is another state of the name {}", state.name));
      model_.states.push_back(std::move(state));
    }
  }

  void read_graph(const JsonField& json) {
    refuse_unknown_keys<Add>(json, {"name", "nodes", "outputs"});
    const std::string name = read_name(json["name"]);
    if ((name != "encoder" && name != "decoder") || model_.graphs.contains(name))
      json["name"].refuse("NAME",
                          fmt::format("expected one encoder and one decoder at most, found {}", name));
    places_.emplace(name, json);
    Graph& graph = model_.graphs[name];
    graph.name = name;
    values_.clear();
    const JsonField nodes = json["nodes"];
    at_most(nodes, kMostNodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) read_node(graph, nodes.at(i));
    const JsonField outputs = json["outputs"];
    for (const JsonMember& member : outputs.object().value().members()) {
      const JsonField output = outputs[member.key];
      const int value = value_of(graph, output);
      if (graph.values[static_cast<std::size_t>(value)].dtype != DType::f32)
        output.refuse("VALUE", fmt::format("{} is an input, no result", output.string()));
      graph.outputs.push_back({std::string(member.key), value});
    }
  }

  // The id of a value by its name; inputs of the graph come into being when they are first used.
  int value_of(Graph& graph, const JsonField& json) {
    const std::string name(json.string());
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    int* slots[] = {&graph.tokens, &graph.positions, &graph.token_types};
    for (std::size_t i = 0; i < std::size(kInputs); ++i) {
      if (name != kInputs[i]) continue;
      *slots[i] = static_cast<int>(graph.values.size());
      graph.values.push_back({Rows::tokens, 1, DType::i32, -1});
      return values_[name] = *slots[i];
    }
    json.refuse("VALUE", fmt::format("no node before this one gives a value of this name: {}",
                                     json.value().describe()));
  }

  void read_node(Graph& graph, const JsonField& json) {
    Node node;
    node.name = read_name(json["name"]);
    std::optional<Op> op = make_op(json["op"].string());
    if (!op) {
      std::vector<std::string> names;
      op_names(names);
      json["op"].refuse("OP", fmt::format("expected one of {}; found {}", fmt::join(names, ", "),
                                          json["op"].value().describe()));
    }
    node.op = std::move(*op);
    std::visit(
        [&]<typename T>(T& attributes) {
          refuse_unknown_keys<T>(json, {"name", "op", "inputs", "output", "weights", "state"});
          read_fields(json, attributes);
        },
        node.op);

    const JsonField inputs = json["inputs"];
    at_most(inputs, 2);
    std::vector<ValueInfo> shapes;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      node.inputs.push_back(value_of(graph, inputs.at(i)));
      shapes.push_back(graph.values[static_cast<std::size_t>(node.inputs.back())]);
    }
    ValueInfo value = inferred(json, node.op, shapes);
    read_weights(json, node, shapes.front().width);
    if (const auto state = json.get("state")) {
      const auto found = states_.find(state->string());
      if (found == states_.end())
        state->refuse("STATE", fmt::format("there is no state {}", state->value().describe()));
      node.state = found->second;
    }
    if (value.width > 0) {
      value.producer = static_cast<int>(graph.nodes.size());
      node.output = static_cast<int>(graph.values.size());
      const auto output = json.get("output");
      add_value(output ? read_name(*output) : node.name, output ? *output : json["name"], node.output);
      graph.values.push_back(value);
    } else if (const auto output = json.get("output")) {
      output->refuse("VALUE", "this node gives no value, it writes a state");
    }
    graph.nodes.push_back(std::move(node));
  }

  void add_value(const std::string& name, const JsonField& json, int id) {
    const bool reserved = std::find(std::begin(kInputs), std::end(kInputs), name) != std::end(kInputs);
    if (!reserved && values_.emplace(name, id).second) return;
    json.refuse("NAME", fmt::format("{} is the name of another value; give this one an \"output\"", name));
  }

  ValueInfo inferred(const JsonField& json, Op& op, const std::vector<ValueInfo>& shapes) const {
    try {
      const ValueInfo value = infer(op, shapes);
      std::visit(
          [&]<typename T>(T& attributes) {
            if constexpr (std::is_base_of_v<Attention, T>)
              static_cast<Attention&>(attributes) = resolved(attributes, shapes.front().width);
          },
          op);
      return value;
    } catch (const Error& error) {
      json["inputs"].refuse("SHAPE", error.message());
    }
  }

  // --- Weights

  void read_weights(const JsonField& json, Node& node, std::int64_t width) {
    const std::vector<WeightSlot> slots = weight_slots(node.op, width);
    const auto weights = json.get("weights");
    std::map<std::string, bool> groups;  // whether the first of the group is there
    for (const WeightSlot& slot : slots) {
      const std::optional<JsonField> weight = weights ? weights->get(slot.role) : std::nullopt;
      if (!weight && slot.required) {
        (weights ? *weights : json)
            .refuse("FIELD_MISSING", fmt::format("the weight {} is missing", slot.role));
      }
      if (!slot.group.empty() &&
          groups.emplace(slot.group, weight.has_value()).first->second != weight.has_value()) {
        (weights ? *weights : json)
            .refuse("FIELD_MISSING",
                    fmt::format("{} go together: all of them or none; see {}", slot.group, slot.role));
      }
      if (weight) read_weight(*weight, slot, node);
    }
    if (!weights) return;
    for (const JsonMember& member : weights->object().value().members()) {
      const bool known = std::any_of(slots.begin(), slots.end(),
                                     [&](const WeightSlot& slot) { return slot.role == member.key; });
      if (known) continue;
      std::vector<std::string> roles;
      for (const WeightSlot& slot : slots) roles.push_back(slot.role);
      (*weights)[member.key].refuse(
          "KEY_UNKNOWN", fmt::format("expected one of {}",
                                     roles.empty() ? "none" : fmt::format("{}", fmt::join(roles, ", "))));
    }
  }

  void read_weight(const JsonField& json, const WeightSlot& slot, Node& node) {
    WeightRef ref{.role = slot.role, .tensor = {}, .shape = {}};
    bool sliced = false;
    if (json.value().is_string()) {
      ref.tensor = json.string();
    } else {
      refuse_unknown_keys<Add>(json, {"tensor", "first_row", "rows", "transposed"});
      ref.tensor = json["tensor"].string();
      ref.transposed = json.boolean_or("transposed", false);
      sliced = json.get("rows").has_value() || json.get("first_row").has_value();
      if (sliced) {
        ref.row_begin = json["first_row"].integer(0, INT32_MAX);
        ref.rows = json["rows"].integer(1, INT32_MAX);
      }
      if ((sliced && !slot.dense) || (ref.transposed && (!slot.dense || slot.shape.rank() != 2)))
        json.refuse("SHAPE", fmt::format("the weight {} is used as it is stored, as a whole", slot.role));
    }
    const TensorInfo* tensor = checkpoint_.use(ref.tensor);
    if (tensor == nullptr) {
      return checkpoint_.add_issue({"MODEL_TENSOR_MISSING", json.where(),
                                    fmt::format("tensor {} is missing from the checkpoint", ref.tensor)});
    }
    ref.tensor = tensor->name;
    ref.shape = tensor->shape;
    if (!checkpoint_.readable(*tensor)) {
      return checkpoint_.add_issue({"MODEL_TENSOR_DTYPE", json.where(),
                                    fmt::format("tensor {}: expected f64, f32, f16 or bf16, found {}",
                                                tensor->name, name(tensor->dtype))});
    }
    if (const std::string expected = misfit(slot, ref, sliced); !expected.empty()) {
      return checkpoint_.add_issue({"MODEL_TENSOR_SHAPE", json.where(),
                                    fmt::format("tensor {}: expected {}, found shape {}", tensor->name,
                                                expected, tensor->shape.str())});
    }
    node.weights.push_back(std::move(ref));
  }

  // What the stored tensor should have been; empty when it fits.
  static std::string misfit(const WeightSlot& slot, const WeightRef& ref, bool sliced) {
    const Shape& found = ref.shape;
    if (slot.shape.rank() != 2 || !slot.dense) {
      // Vectors are stored as such or as one row.
      const bool row = slot.shape.rank() == 1 && found.rank() == 2 && found[0] == 1;
      const Shape flat = row ? Shape{found[1]} : found;
      if (!sliced) return flat == slot.shape ? "" : "shape " + slot.shape.str();
      const bool fits = flat.rank() == 1 && ref.rows == slot.shape[0] && ref.row_begin + ref.rows <= flat[0];
      return fits ? "" : fmt::format("{} elements from {} on", slot.shape[0], ref.row_begin);
    }
    const std::int64_t out = slot.shape[0];
    const std::int64_t in = slot.shape[1];
    if (!sliced) {
      const Shape expected = ref.transposed ? Shape{in, out} : slot.shape;
      return found == expected ? "" : "shape " + expected.str();
    }
    const bool fits = found.rank() == 2 && found[ref.transposed ? 0 : 1] == in && ref.rows == out &&
                      ref.row_begin + ref.rows <= found[ref.transposed ? 1 : 0];
    return fits ? "" : fmt::format("{} outputs from {} on of {} inputs", out, ref.row_begin, in);
  }

  // --- The model as a whole

  std::vector<Issue> findings() const {
    std::vector<Issue> issues;
    for (const GraphFinding& finding : check_graphs(model_)) {
      const auto graph = places_.find(finding.graph);
      std::string where = graph == places_.end() ? root_.where() : graph->second.where();
      if (finding.node >= 0) where += fmt::format(".nodes[{}]", finding.node);
      if (!finding.field.empty())
        where += (graph == places_.end() && finding.node < 0 ? " " : ".") + finding.field;
      issues.push_back({finding.kind, where, finding.message});
    }
    return issues;
  }

  const JsonField& root_;
  Checkpoint& checkpoint_;
  ModelDef model_;
  std::map<std::string, int, std::less<>> states_;
  std::map<std::string, int, std::less<>> values_;  // of the graph that is being read
  std::map<std::string, JsonField> places_;         // of the graphs
};

ModelDef read(const ConfigReader& config, const std::string& where, const fs::path& directory,
              Checkpoint& checkpoint) {
  const JsonField root(config.json(), where, "GRAPH");
  if (const auto generation = root.get("generation")) refuse_unknown_keys<GenerationConfig>(*generation, {});
  const bool quantized = read_quantization(config);
  if (!config.issues().empty()) throw Error(config.issues());
  if (quantized) checkpoint.allow_quantized();
  ModelDef model = GraphReader(root, checkpoint).read();
  model.quantized = quantized;
  const std::int64_t vocab = model.family == Family::encoder ? model.vocab_size : model.target_vocab_size;
  const std::optional<ConfigReader> settings = config.optional_object("generation");
  const ConfigReader none = ConfigReader::from_text("{}", where);
  model.generation = read_generation_config(directory, settings ? *settings : none, vocab);
  if (!config.issues().empty()) throw Error(config.issues());
  if (!none.issues().empty()) throw Error(none.issues());
  return model;
}

}  // namespace

bool has_graph_file(const fs::path& directory) {
  std::error_code error;
  return fs::symlink_status(directory / kGraphFile, error).type() != fs::file_type::not_found;
}

ModelDef read_graph_file(const fs::path& directory, Checkpoint& checkpoint) {
  const fs::path path = directory / kGraphFile;
  return read(ConfigReader::from_file(path), path.string(), directory, checkpoint);
}

ModelDef read_graph(std::string_view text, std::string where, const fs::path& directory,
                    Checkpoint& checkpoint) {
  return read(ConfigReader::from_text(text, where), where, directory, checkpoint);
}

}  // namespace attend
