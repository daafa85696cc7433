#include "runtime/api/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "attend/error.h"
#include "engine/plan/cache_layout.h"
#include "engine/plan/compiled_model.h"
#include "engine/plan/plan.h"

namespace attend {
namespace {

// Floats of tables that are computed at load.
std::int64_t computed_elements(const ModelDef& def) {
  std::int64_t elements = 0;
  for (const auto& [name, graph] : def.graphs) {
    for (const Node& node : graph.nodes) {
      if (const auto* table = std::get_if<Sinusoid>(&node.op)) elements += table->rows * table->dim;
    }
  }
  return elements;
}

// Bytes of an element of a matrix that products read.
std::size_t matrix_width(const TensorInfo& stored, Precision precision) {
  if (stored.shape.rank() < 2) return sizeof(float);
  if (precision == Precision::int8) return 1;
  const bool kept = precision == Precision::automatic && stored.dtype == DType::bf16;
  return precision == Precision::bf16 || kept ? 2 : sizeof(float);
}

// Matrices are in memory at the precision of their products (were bf16 slow on this processor, it would be
// twice as much), vectors in f32; tables that are only looked up stay as they are stored.
std::uint64_t weights_bytes(const ModelDef& def, const WeightStore& store, Precision precision) {
  precision = resolved(precision, def);
  std::map<std::string, bool> only_looked_up;
  for (const auto& [name, graph] : def.graphs) {
    for (const Node& node : graph.nodes) {
      for (const WeightRef& ref : node.weights) {
        const auto [found, added] = only_looked_up.emplace(ref.tensor, true);
        found->second = found->second && std::holds_alternative<Embedding>(node.op);
      }
    }
  }
  std::uint64_t bytes = static_cast<std::uint64_t>(computed_elements(def)) * sizeof(float);
  for (const auto& [tensor, looked_up] : only_looked_up) {
    const TensorInfo* info = store.find(tensor);
    if (info == nullptr) continue;
    bytes += looked_up ? info->size_bytes()
                       : static_cast<std::uint64_t>(info->shape.elements()) * matrix_width(*info, precision);
  }
  return bytes;
}

// Values of a step of this many tokens, all of one sequence, the last of which samples.
std::uint64_t arena_bytes(const Graph& graph, std::int64_t tokens) {
  std::int64_t floats = 0;
  for (const Slot& slot : make_plan(graph, Fusion::residuals).slots)
    floats += slot.width * (slot.rows == Rows::tokens ? tokens : 1);
  return static_cast<std::uint64_t>(floats) * sizeof(float);
}

}  // namespace

std::int64_t weight_elements(const ModelDef& def) {
  std::set<std::string> seen;
  std::int64_t elements = 0;
  for (const auto& [name, graph] : def.graphs) {
    for (const Node& node : graph.nodes) {
      for (const WeightRef& ref : node.weights) {
        if (seen.insert(ref.tensor).second) elements += ref.shape.elements();
      }
    }
  }
  return elements;
}

MemoryPlan memory_plan(const ModelDef& def, const WeightStore& store, Precision precision, DType cached) {
  constexpr std::int64_t kTokens = 512;  // the scheduler's prompts come in pieces of so many
  MemoryPlan plan;
  plan.weights_bytes = weights_bytes(def, store, precision);
  for (const TensorInfo* tensor : store.tensors()) plan.weights_file_bytes += tensor->size_bytes();
  const CacheLayout cache(def.states, cached);
  plan.cache_bytes_per_token = CacheLayout::bytes_per_token(cache.self);
  plan.cross_cache_bytes_per_token = CacheLayout::bytes_per_token(cache.cross);
  plan.arena_tokens = def.max_positions > 0 ? std::min(kTokens, def.max_positions) : kTokens;
  for (const auto& [name, graph] : def.graphs) plan.arena_bytes += arena_bytes(graph, plan.arena_tokens);
  return plan;
}

void check_memory(const ModelDef& def, const WeightStore& store, Precision precision, std::uint64_t limit) {
  const std::uint64_t needed = weights_bytes(def, store, precision);
  if (needed <= limit) return;
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  throw Error(
      "CFG_MEMORY", def.architecture,
      fmt::format(
          "the weights need {:.2f} GiB, the limit is {:.2f} GiB (--max-memory, or what the machine has free)",
          static_cast<double>(needed) / kGiB, static_cast<double>(limit) / kGiB));
}

}  // namespace attend
