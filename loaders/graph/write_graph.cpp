#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/graph/check.h"
#include "engine/graph/fields.h"
#include "engine/model/quantized_weights.h"
#include "loaders/files/quantization.h"
#include "loaders/graph/graph_file.h"

namespace attend {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json object_of(const T& value);

// The shortest decimal that reads back, through a double, as the same float.
double exact(float value) {
  const double shortest = std::strtod(fmt::format("{}", value).c_str(), nullptr);
  return static_cast<float>(shortest) == value ? shortest : static_cast<double>(value);
}

template <typename T>
Json json_of(const T& value) {
  if constexpr (std::is_same_v<T, float>) {
    return exact(value);
  } else if constexpr (std::is_same_v<T, EarlyStopping>) {
    return value == EarlyStopping::never ? Json("never") : Json(value == EarlyStopping::yes);
  } else if constexpr (std::is_enum_v<T>) {
    return Names<T>::list[static_cast<std::size_t>(value)];
  } else if constexpr (requires { Fields<T>::list; }) {
    return object_of(value);
  } else if constexpr (std::is_same_v<T, std::vector<float>>) {
    Json list = Json::array();
    for (const float each : value) list.push_back(exact(each));
    return list;
  } else if constexpr (requires { value.has_value(); }) {
    return json_of(*value);
  } else {
    return value;
  }
}

template <typename T>
bool equal(const T& a, const T& b) {
  if constexpr (requires { Fields<T>::list; }) {
    return object_of(a) == object_of(b);
  } else if constexpr (requires { a.has_value(); }) {
    return a.has_value() == b.has_value() && (!a.has_value() || equal(*a, *b));
  } else {
    return a == b;
  }
}

// Fields that differ from their defaults, and the required ones.
template <typename T>
void add_fields(Json& object, const T& value) {
  const T defaults{};
  for_each_field<T>([&](const auto& field) {
    if (field.required || !equal(value.*field.member, defaults.*field.member))
      object[field.name] = json_of(value.*field.member);
  });
}

template <typename T>
Json object_of(const T& value) {
  Json object = Json::object();
  add_fields(object, value);
  return object;
}

Json weight_json(const WeightRef& ref) {
  if (!ref.transposed && ref.rows == 0) return ref.tensor;
  Json object = {{"tensor", ref.tensor}};
  if (ref.rows != 0) {
    object["first_row"] = ref.row_begin;
    object["rows"] = ref.rows;
  }
  if (ref.transposed) object["transposed"] = true;
  return object;
}

// Names of the values of a graph: those of their nodes, numbered where they repeat.
std::vector<std::string> value_names(const Graph& graph) {
  std::vector<std::string> names(graph.values.size());
  std::set<std::string> taken = {"tokens", "positions", "token_types"};
  if (graph.tokens >= 0) names[static_cast<std::size_t>(graph.tokens)] = "tokens";
  if (graph.positions >= 0) names[static_cast<std::size_t>(graph.positions)] = "positions";
  if (graph.token_types >= 0) names[static_cast<std::size_t>(graph.token_types)] = "token_types";
  for (const Node& node : graph.nodes) {
    if (node.output < 0) continue;
    std::string name = node.name;
    for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}#{}", node.name, i);
    names[static_cast<std::size_t>(node.output)] = std::move(name);
  }
  return names;
}

Json node_json(const ModelDef& model, const Graph& graph, const Node& node,
               const std::vector<std::string>& names) {
  Json json = {{"name", node.name}, {"op", kind_name(node.op)}, {"inputs", Json::array()}};
  for (const int input : node.inputs) json["inputs"].push_back(names[static_cast<std::size_t>(input)]);
  if (node.output >= 0 && names[static_cast<std::size_t>(node.output)] != node.name)
    json["output"] = names[static_cast<std::size_t>(node.output)];
  std::visit([&](const auto& op) { add_fields(json, op); }, node.op);
  if (node.state >= 0) json["state"] = model.states[static_cast<std::size_t>(node.state)].name;
  if (node.weights.empty()) return json;
  Json& weights = json["weights"] = Json::object();
  const std::int64_t width = graph.values[static_cast<std::size_t>(node.inputs[0])].width;
  for (const WeightSlot& slot : weight_slots(node.op, width)) {
    if (const WeightRef* ref = node.weight(slot.role)) weights[ref->role] = weight_json(*ref);
  }
  return json;
}

// Readable: one node a line.
class Text {
 public:
  void member(const std::string& key, const std::string& value) {
    text_ += first_ ? "{\n" : ",\n";
    text_ += fmt::format("  {}: {}", Json(key).dump(), value);
    first_ = false;
  }
  std::string take() { return std::move(text_) + "\n}\n"; }

 private:
  std::string text_;
  bool first_ = true;
};

std::string lines_of(const Json& list, const std::string& indent) {
  if (list.empty()) return "[]";
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) text += (i == 0 ? "\n" : ",\n") + indent + list[i].dump();
  return text + "\n" + indent.substr(2) + "]";
}

std::string graph_text(const ModelDef& model, const Graph& graph) {
  const std::vector<std::string> names = value_names(graph);
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) nodes.push_back(node_json(model, graph, node, names));
  Json outputs = Json::object();
  for (const NamedValue& output : graph.outputs)
    outputs[output.name] = names[static_cast<std::size_t>(output.value)];
  return fmt::format("{{\n    \"name\": {},\n    \"nodes\": {},\n    \"outputs\": {}\n  }}",
                     Json(graph.name).dump(), lines_of(nodes, "      "), outputs.dump());
}

// Stored tensors that no node uses: the definition has said that they may be there.
Json unused_tensors(const ModelDef& model, const WeightStore& store) {
  const std::set<std::string> used = used_tensors(model);
  Json unused = Json::array();
  for (const TensorInfo* tensor : store.tensors()) {
    if (!used.contains(tensor->name) && !is_scale(*tensor, store)) unused.push_back(tensor->name);
  }
  return unused;
}

std::string dot_id(const std::string& graph, const std::string& value) {
  return Json(graph + ":" + value).dump();
}

}  // namespace

std::string write_graph(const ModelDef& model, const WeightStore& store) {
  Text text;
  text.member("format", "\"attend-graph\"");
  text.member("version", "1");
  const Json fields = object_of(model);
  for (const auto& [key, value] : fields.items()) text.member(key, value.dump());
  if (const Json generation = object_of(model.generation); !generation.empty())
    text.member("generation", generation.dump());
  if (model.quantized) text.member(kQuantizationKey, quantization_config().dump());
  if (const Json unused = unused_tensors(model, store); !unused.empty())
    text.member("ignored_tensors", unused.dump());
  Json states = Json::array();
  for (const StateSpec& state : model.states) states.push_back(object_of(state));
  if (!states.empty()) text.member("states", lines_of(states, "    "));
  std::string graphs;
  for (const char* name : {"encoder", "decoder"}) {
    const Graph* graph = model.graph(name);
    if (graph != nullptr) graphs += (graphs.empty() ? "[" : ", ") + graph_text(model, *graph);
  }
  text.member("graphs", graphs + "]");
  return text.take();
}

std::string write_dot(const ModelDef& model) {
  std::string text = fmt::format("digraph {} {{\n  node [shape=box, fontname=\"sans-serif\"];\n",
                                 Json(model.architecture).dump());
  for (const auto& [name, graph] : model.graphs) {
    const std::vector<std::string> names = value_names(graph);
    const auto id = [&, &graph_name = name](int value) {
      return dot_id(graph_name, names[static_cast<std::size_t>(value)]);
    };
    text +=
        fmt::format("  subgraph {} {{\n    label={};\n", Json("cluster " + name).dump(), Json(name).dump());
    for (const int input : {graph.tokens, graph.positions, graph.token_types}) {
      if (input >= 0)
        text += fmt::format("    {} [label={}, shape=oval];\n", id(input),
                            Json(names[static_cast<std::size_t>(input)]).dump());
    }
    for (const Node& node : graph.nodes) {
      const std::string self = node.output >= 0 ? id(node.output) : dot_id(name, node.name);
      text += fmt::format("    {} [label={}];\n", self,
                          Json(node.name + "\n" + std::string(kind_name(node.op))).dump());
      for (const int input : node.inputs) {
        const ValueInfo& info = graph.values[static_cast<std::size_t>(input)];
        const std::string width = info.dtype == DType::i32 ? "" : fmt::format(" [label=\"{}\"]", info.width);
        text += fmt::format("    {} -> {}{};\n", id(input), self, width);
      }
    }
    for (const NamedValue& output : graph.outputs) {
      const std::string self = dot_id(name, "output " + output.name);
      text += fmt::format("    {} [label={}, shape=oval];\n    {} -> {};\n", self, Json(output.name).dump(),
                          id(output.value), self);
    }
    text += "  }\n";
  }
  // States cross from one graph to the other.
  for (const StateSpec& state : model.states) {
    if (state.kind != StateSpec::cross) continue;
    std::string from;
    std::vector<std::string> to;
    const int index = static_cast<int>(&state - model.states.data());
    for (const auto& [name, graph] : model.graphs) {
      const std::vector<std::string> names = value_names(graph);
      for (const Node& node : graph.nodes) {
        if (node.state != index) continue;
        if (node.output < 0)
          from = dot_id(name, node.name);
        else
          to.push_back(dot_id(name, names[static_cast<std::size_t>(node.output)]));
      }
    }
    for (const std::string& each : to) text += fmt::format("  {} -> {} [style=dashed];\n", from, each);
  }
  return text + "}\n";
}

}  // namespace attend
