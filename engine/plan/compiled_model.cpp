#include "engine/plan/compiled_model.h"

#include <utility>

#include "attend/error.h"
#include "hwy/targets.h"

namespace attend {

Precision resolved(Precision asked, const ModelDef& def) {
  return asked == Precision::automatic && def.quantized ? Precision::int8 : asked;
}

CompiledModel::CompiledModel(ModelDef def, const WeightStore& store, Precision precision, DType cached,
                             std::function<void(double)> progress)
    : def_(std::move(def)), cache_(def_.states, cached) {
  WeightLoader weights(store, dense_, resolved(precision, def_), std::move(progress));
  for (const auto& [name, graph] : def_.graphs) weights.note_linear(graph);
  for (const auto& [name, graph] : def_.graphs) {
    CompiledGraph& compiled = graphs_[name];
    compiled.graph = &graph;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      PrepareContext context{graph, static_cast<int>(n), weights, dense_, cache_, steps_, ropes_};
      compiled.kernels.push_back(prepare(context));
    }
    compiled.fused = make_plan(graph, Fusion::residuals);
    compiled.materialized = make_plan(graph, Fusion::none);
  }
  weights_bytes_ = weights.packed_bytes();
  matrix_bytes_ = weights.matrix_bytes();
}

std::string instruction_set() {
  // SupportedTargets has the best target as its lowest bit.
  const std::int64_t targets = hwy::SupportedTargets();
  return hwy::TargetName(targets & -targets);
}

}  // namespace attend
