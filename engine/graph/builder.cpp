#include "engine/graph/builder.h"

#include <cmath>
#include <utility>

#include "attend/error.h"
#include "engine/graph/check.h"

namespace attend {

Projections qkvo(const std::string& module, const std::string& out) {
  return {.q = module + ".q_proj",
          .k = module + ".k_proj",
          .v = module + ".v_proj",
          .out = module + "." + out,
          .qkv = {}};
}

Attention resolved(Attention attributes, std::int64_t width) {
  if (attributes.head_dim == 0) attributes.head_dim = width / attributes.heads;
  if (attributes.kv_heads == 0) attributes.kv_heads = attributes.heads;
  if (attributes.scale == 0.0F) attributes.scale = 1.0F / std::sqrt(static_cast<float>(attributes.head_dim));
  return attributes;
}

GraphBuilder::GraphBuilder(ModelDef& model, Checkpoint& checkpoint, std::string name)
    : model_(&model), checkpoint_(&checkpoint), graph_name_(std::move(name)), root_(this) {
  model_->graphs[graph_name_].name = graph_name_;
}

Graph& GraphBuilder::graph() const {
  return model_->graphs.at(graph_name_);
}

std::string GraphBuilder::path(std::string_view name) const {
  if (prefix_.empty() || name.empty()) return prefix_ + std::string(name);
  return prefix_ + "." + std::string(name);
}

GraphBuilder GraphBuilder::at(std::string_view sub) const {
  GraphBuilder child(*this);
  child.prefix_ = path(sub);
  return child;
}

std::vector<GraphBuilder> GraphBuilder::layers(std::string_view sub, std::int64_t count) const {
  std::vector<GraphBuilder> children;
  for (std::int64_t i = 0; i < count; ++i) children.push_back(at(std::string(sub) + "." + std::to_string(i)));
  return children;
}

Node& GraphBuilder::last_node() const {
  return graph().nodes.back();
}

Value GraphBuilder::input(int& slot) {
  if (slot < 0) {
    slot = static_cast<int>(graph().values.size());
    graph().values.push_back({Rows::tokens, 1, DType::i32, -1});
  }
  return {root_, slot};
}

Value GraphBuilder::tokens() {
  return input(graph().tokens);
}
Value GraphBuilder::positions() {
  return input(graph().positions);
}
Value GraphBuilder::token_types() {
  return input(graph().token_types);
}

std::int64_t Value::width() const {
  return root_->graph().values[static_cast<std::size_t>(id_)].width;
}

Value GraphBuilder::add_node(std::string name, Op op, std::vector<Value> inputs) {
  Graph& g = graph();
  Node node{.name = std::move(name), .op = std::move(op), .inputs = {}, .output = -1, .weights = {}};
  std::vector<ValueInfo> shapes;
  for (const Value& value : inputs) {
    node.inputs.push_back(value.id());
    shapes.push_back(g.values[static_cast<std::size_t>(value.id())]);
  }
  try {
    ValueInfo info = infer(node.op, shapes);
    info.producer = static_cast<int>(g.nodes.size());
    if (info.width > 0) {
      node.output = static_cast<int>(g.values.size());
      g.values.push_back(info);
    }
  } catch (const Error& error) {
    throw internal_error("graph " + graph_name_ + ": " + node.name, error.message());
  }
  g.nodes.push_back(std::move(node));
  return {root_, g.nodes.back().output};
}

void GraphBuilder::add_slice(std::string_view role, const std::string& tensor, const Shape& shape,
                             std::int64_t row_begin, std::int64_t rows, bool transposed) {
  const TensorInfo* found = checkpoint_->require(tensor, shape);
  last_node().weights.push_back(
      {std::string(role), found == nullptr ? tensor : found->name, shape, row_begin, rows, transposed});
}

void GraphBuilder::add_weight(std::string_view role, const std::string& tensor, Shape shape,
                              bool transposed) {
  add_slice(role, tensor, shape, 0, 0, transposed);
}

void GraphBuilder::add_projection(std::string_view role, const std::string& tensor, std::int64_t out,
                                  std::int64_t in, bool bias, bool transposed) {
  const std::string base = path(tensor);
  add_weight(std::string(role) + ".weight", base + ".weight", transposed ? Shape{in, out} : Shape{out, in},
             transposed);
  if (bias) add_weight(std::string(role) + ".bias", base + ".bias", Shape{out});
}

Value GraphBuilder::embedding(std::string_view name, Value indices, const Embedding& attributes) {
  const Value y = add_node(path(name), attributes, {indices});
  add_weight("weight", path(name) + ".weight", {attributes.rows, attributes.dim});
  return y;
}

Value GraphBuilder::sinusoid(std::string_view name, Value positions, const Sinusoid& attributes) {
  return add_node(path(name), attributes, {positions});
}

Value GraphBuilder::norm(std::string_view name, Value x, const Norm& attributes) {
  const Value y = add_node(path(name), attributes, {x});
  add_weight("weight", path(name) + ".weight", {x.width()});
  if (attributes.kind == Norm::layer && attributes.bias)
    add_weight("bias", path(name) + ".bias", {x.width()});
  return y;
}

Value GraphBuilder::linear(std::string_view name, Value x, const Linear& attributes) {
  const std::int64_t in = x.width();
  const Value y = add_node(path(name), attributes, {x});
  const std::string weight =
      attributes.weight_tensor.empty() ? path(name) + ".weight" : attributes.weight_tensor;
  add_weight("weight", weight, attributes.transposed ? Shape{in, attributes.out} : Shape{attributes.out, in},
             attributes.transposed);
  if (attributes.bias) {
    const std::string bias = attributes.bias_tensor.empty() ? path(name) + ".bias" : attributes.bias_tensor;
    // final_logits_bias and its like are stored as one row.
    const TensorInfo* stored = checkpoint_->use(bias);
    const bool row = stored != nullptr && stored->shape.rank() == 2;
    add_weight("bias", bias, row ? Shape{1, attributes.out} : Shape{attributes.out});
  }
  return y;
}

void GraphBuilder::add_qkv(const Attention& a, std::int64_t width, bool query, bool key_value) {
  const std::int64_t q = a.heads * a.head_dim;
  const std::int64_t kv = a.kv_heads * a.head_dim;
  if (a.proj.qkv.empty()) {
    if (query) add_projection("q", a.proj.q, q, width, a.proj.bias, a.proj.transposed);
    if (key_value) add_projection("k", a.proj.k, kv, width, a.proj.bias, a.proj.transposed);
    if (key_value) add_projection("v", a.proj.v, kv, width, a.proj.bias, a.proj.transposed);
    return;
  }
  const std::int64_t all = q + 2 * kv;
  const std::string base = path(a.proj.qkv);
  const Shape shape = a.proj.transposed ? Shape{width, all} : Shape{all, width};
  std::int64_t begin = 0;
  for (const auto& [role, rows] : {std::pair{"q", q}, std::pair{"k", kv}, std::pair{"v", kv}}) {
    add_slice(std::string(role) + ".weight", base + ".weight", shape, begin, rows, a.proj.transposed);
    if (a.proj.bias) add_slice(std::string(role) + ".bias", base + ".bias", {all}, begin, rows, false);
    begin += rows;
  }
}

void GraphBuilder::add_out_projection(const Attention& a, std::int64_t width) {
  add_projection("out", a.proj.out, width, a.heads * a.head_dim, a.proj.out_bias, a.proj.transposed);
}

int GraphBuilder::state(const std::string& name, StateSpec::Kind kind, const Attention& a) {
  for (std::size_t i = 0; i < model_->states.size(); ++i) {
    if (model_->states[i].name == name) return static_cast<int>(i);
  }
  model_->states.push_back({name, kind, a.kv_heads, a.head_dim, kind == StateSpec::self ? a.window : 0});
  return static_cast<int>(model_->states.size()) - 1;
}

Value GraphBuilder::self_attention(std::string_view name, Value x, const Attention& attributes) {
  const Attention a = resolved(attributes, x.width());
  const Value y = add_node(path(name), SelfAttention{a}, {x});
  if (a.mask == Mask::causal) last_node().state = state(path(name), StateSpec::self, a);
  add_qkv(a, x.width(), true, true);
  for (const std::string& norm : {a.q_norm, a.k_norm}) {
    if (!norm.empty())
      add_weight(norm == a.q_norm ? "q_norm" : "k_norm", path(norm) + ".weight", {a.head_dim});
  }
  add_position_terms(a, x.width());
  add_out_projection(a, x.width());
  return y;
}

void GraphBuilder::add_position_terms(const Attention& a, std::int64_t width) {
  if (a.relative_bias)
    add_weight("relative_bias", a.relative_bias->table, {a.relative_bias->buckets, a.heads});
  if (!a.disentangled) return;
  const Disentangled& d = *a.disentangled;
  add_weight("positions", d.embeddings, {2 * d.span, width});
  if (!d.norm.empty()) {
    add_weight("positions_norm.weight", d.norm + ".weight", {width});
    add_weight("positions_norm.bias", d.norm + ".bias", {width});
  }
  if (!d.pos_key.empty()) add_projection("pos_key", d.pos_key, a.heads * a.head_dim, width, true, false);
  if (!d.pos_query.empty())
    add_projection("pos_query", d.pos_query, a.heads * a.head_dim, width, true, false);
}

void GraphBuilder::cross_kv(std::string_view name, Value x, const Attention& attributes) {
  const Attention a = resolved(attributes, x.width());
  std::string module = path(name);
  if (module.ends_with(".kv")) module.resize(module.size() - 3);
  add_node(path(name), CrossKv{a}, {x});
  last_node().state = state(module, StateSpec::cross, a);
  add_qkv(a, x.width(), false, true);
}

Value GraphBuilder::cross_attention(std::string_view name, Value x, const Attention& attributes) {
  const Attention a = resolved(attributes, x.width());
  const Value y = add_node(path(name), CrossAttention{a}, {x});
  last_node().state = state(path(name), StateSpec::cross, a);
  add_qkv(a, x.width(), true, false);
  add_out_projection(a, x.width());
  return y;
}

Value GraphBuilder::feed_forward(std::string_view name, Value x, const FeedForward& f) {
  const std::int64_t width = x.width();
  const Value y = add_node(path(name), f, {x});
  if (!f.gate_up.empty()) {
    const std::string base = path(f.gate_up);
    const Shape shape = f.transposed ? Shape{width, 2 * f.hidden} : Shape{2 * f.hidden, width};
    add_slice("gate.weight", base + ".weight", shape, 0, f.hidden, f.transposed);
    add_slice("up.weight", base + ".weight", shape, f.hidden, f.hidden, f.transposed);
    if (f.bias) {
      add_slice("gate.bias", base + ".bias", {2 * f.hidden}, 0, f.hidden, false);
      add_slice("up.bias", base + ".bias", {2 * f.hidden}, f.hidden, f.hidden, false);
    }
  } else {
    if (!f.gate.empty()) add_projection("gate", f.gate, f.hidden, width, f.bias, f.transposed);
    add_projection("up", f.up, f.hidden, width, f.bias, f.transposed);
  }
  add_projection("down", f.down, width, f.hidden, f.bias, f.transposed);
  return y;
}

Value GraphBuilder::activation(std::string_view name, Value x, Act act) {
  return add_node(path(name), Activation{act}, {x});
}

Value GraphBuilder::sampled_rows(Value x) {
  return add_node(path("sampled_rows"), GatherRows{GatherRows::sampled}, {x});
}

Value GraphBuilder::first_rows(Value x) {
  return add_node(path("first_rows"), GatherRows{GatherRows::first}, {x});
}

Value GraphBuilder::mean_rows(Value x) {
  return add_node(path("mean_rows"), MeanRows{}, {x});
}

Value GraphBuilder::column(std::string_view name, Value x, std::int64_t index) {
  return add_node(path(name), Column{index}, {x});
}

Value GraphBuilder::convolution(std::string_view name, Value x, const Convolution& attributes) {
  const std::int64_t in = x.width();
  const Value y = add_node(path(name), attributes, {x});
  add_weight("weight", path(name) + ".weight", {attributes.out, in, attributes.kernel});
  add_weight("bias", path(name) + ".bias", {attributes.out});
  return y;
}

Value operator+(Value a, Value b) {
  GraphBuilder& root = *a.root_;
  const int producer = root.graph().values[static_cast<std::size_t>(b.id())].producer;
  const std::string base = producer < 0
                               ? std::string("add")
                               : root.graph().nodes[static_cast<std::size_t>(producer)].name + ".add";
  return root.add_node(base, Add{}, {a, b});
}

void GraphBuilder::output(std::string_view name, Value value) {
  graph().outputs.push_back({std::string(name), value.id()});
}

}  // namespace attend
