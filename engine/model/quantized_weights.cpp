#include "engine/model/quantized_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>

#include "engine/graph/check.h"

namespace attend {
namespace {

constexpr const char* kScaleSuffix = "_scale";

// How one node reads one of its tensors.
enum class Use : std::uint8_t {
  matrix,        // as the weights of a product
  whole_matrix,  // of a Linear, all of it as it is stored: an embedding of the same tensor shares it
  table,
  other,
};

Use use_of(const Node& node, const WeightRef& ref, const std::vector<WeightSlot>& slots) {
  if (std::holds_alternative<Embedding>(node.op)) return Use::table;
  if (std::holds_alternative<Convolution>(node.op) && ref.role == "weight") return Use::matrix;
  const auto slot =
      std::find_if(slots.begin(), slots.end(), [&](const WeightSlot& s) { return s.role == ref.role; });
  if (slot == slots.end() || !slot->dense || slot->shape.rank() != 2) return Use::other;
  const bool whole = std::holds_alternative<Linear>(node.op) && !ref.transposed && ref.rows == 0;
  return whole ? Use::whole_matrix : Use::matrix;
}

struct Uses {
  std::set<Use> kinds;
  std::set<OutputAxis> axes;
  std::int64_t elements = 0;

  bool quantizable() const {
    if (kinds.contains(Use::other) || axes.size() != 1) return false;
    return !kinds.contains(Use::table) || kinds.contains(Use::whole_matrix) || elements >= kSmallTable;
  }
};

}  // namespace

std::string scale_name(std::string_view weight) {
  return std::string(weight) + kScaleSuffix;
}

bool is_scale(const TensorInfo& tensor, const WeightStore& store) {
  const std::string_view name = tensor.name;
  if (!name.ends_with(kScaleSuffix)) return false;
  const TensorInfo* weight = store.find(name.substr(0, name.size() - std::string_view(kScaleSuffix).size()));
  return weight != nullptr && weight->dtype == DType::i8;
}

Shape scale_shape(const Shape& weight, OutputAxis axis) {
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  dims.fill(1);
  const int kept = axis == OutputAxis::rows ? 0 : 1;
  if (kept < weight.rank()) dims[static_cast<std::size_t>(kept)] = weight[kept];
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(weight.rank())));
}

std::map<std::string, OutputAxis> quantizable_tensors(const ModelDef& def) {
  std::map<std::string, Uses> tensors;
  for (const auto& [name, graph] : def.graphs) {
    for (const Node& node : graph.nodes) {
      if (node.inputs.empty()) continue;
      const std::int64_t width = graph.values[static_cast<std::size_t>(node.inputs[0])].width;
      const std::vector<WeightSlot> slots = weight_slots(node.op, width);
      for (const WeightRef& ref : node.weights) {
        Uses& uses = tensors[ref.tensor];
        uses.kinds.insert(use_of(node, ref, slots));
        uses.axes.insert(ref.transposed ? OutputAxis::columns : OutputAxis::rows);
        uses.elements = ref.shape.elements();
      }
    }
  }
  std::map<std::string, OutputAxis> result;
  for (const auto& [name, uses] : tensors) {
    if (uses.quantizable()) result.emplace(name, *uses.axes.begin());
  }
  return result;
}

std::vector<Issue> check_quantized(const ModelDef& def, const WeightStore& store) {
  const std::map<std::string, OutputAxis> may_be = quantizable_tensors(def);
  std::vector<Issue> issues;
  for (const std::string& name : used_tensors(def)) {
    const TensorInfo* weight = store.find(name);
    if (weight == nullptr || weight->dtype != DType::i8) continue;
    const std::string where = weight->file + ": ";
    const auto axis = may_be.find(name);
    if (axis == may_be.end()) {
      issues.push_back({"MODEL_TENSOR_DTYPE", where + name,
                        fmt::format("tensor {}: expected f64, f32, f16 or bf16, found i8; only the weights "
                                    "of products and large tables may be in 8 bits",
                                    name)});
      continue;
    }
    const std::string scales = scale_name(name);
    const TensorInfo* found = store.find(scales);
    const Shape expected = scale_shape(weight->shape, axis->second);
    if (found == nullptr) {
      issues.push_back({"QUANT_SCALE_MISSING", where + scales,
                        fmt::format("tensor {} of i8 has no scales: expected {} of f32 and shape {}, found "
                                    "none",
                                    name, scales, expected.str())});
    } else if (found->dtype != DType::f32) {
      issues.push_back({"QUANT_SCALE_DTYPE", where + scales,
                        fmt::format("tensor {}: expected f32, the scales of {}; found {}", scales, name,
                                    attend::name(found->dtype))});
    } else if (found->shape != expected) {
      issues.push_back({"QUANT_SCALE_SHAPE", where + scales,
                        fmt::format("tensor {}: expected shape {}, a scale for each output of {} {}; found "
                                    "{}",
                                    scales, expected.str(), name, weight->shape.str(), found->shape.str())});
    }
  }
  return issues;
}

std::vector<float> read_scales(const WeightStore& store, const TensorInfo& weight) {
  const TensorInfo* tensor = store.find(scale_name(weight.name));
  if (tensor == nullptr || tensor->dtype != DType::f32)
    throw internal_error(weight.name, "its scales were not checked");
  std::vector<float> scales(static_cast<std::size_t>(tensor->shape.elements()));
  store.read(*tensor, 0, std::as_writable_bytes(std::span(scales)));
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (std::isfinite(scales[i]) && scales[i] >= 0.0F) continue;
    throw Error("QUANT_SCALE_VALUE", fmt::format("{}: {}[{}]", tensor->file, tensor->name, i),
                fmt::format("expected a scale that is finite and not negative, found {}", scales[i]));
  }
  return scales;
}

}  // namespace attend
