// A model ready to run: weights packed, nodes prepared, plans made. Const and shared by all executors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/model_def.h"
#include "engine/nodes/kernel.h"
#include "engine/plan/cache_layout.h"
#include "engine/plan/plan.h"

namespace attend {

struct CompiledGraph {
  const Graph* graph = nullptr;
  std::vector<std::unique_ptr<NodeKernel>> kernels;  // by node index
  Plan fused;
  Plan materialized;
};

// The precision that `asked` stands for: automatic is int8 where the checkpoint is stored so.
Precision resolved(Precision asked, const ModelDef& def);

class CompiledModel {
 public:
  // Reads and packs all weights. `def` is moved in; `cached` is the type of the keys and values that are
  // kept: f32, bf16 or i8; `progress` gets the fraction done in [0, 1].
  CompiledModel(ModelDef def, const WeightStore& store, Precision precision = Precision::automatic,
                DType cached = DType::f32, std::function<void(double)> progress = {});

  const ModelDef& def() const { return def_; }
  const CompiledGraph& graph(const std::string& name) const { return graphs_.at(name); }
  const CacheLayout& cache() const { return cache_; }
  const DenseLibrary& dense() const { return dense_; }
  const std::vector<Rope>& ropes() const { return ropes_; }
  // The timed steps of all graphs; a Profiler counts by these indices.
  const std::vector<StepInfo>& steps() const { return steps_; }
  std::uint64_t weights_bytes() const { return weights_bytes_; }
  // In which precision the matrices of products are.
  const PrecisionBytes& matrix_bytes() const { return matrix_bytes_; }

 private:
  ModelDef def_;
  CacheLayout cache_;
  DenseLibrary dense_;
  std::vector<StepInfo> steps_;
  std::vector<Rope> ropes_;
  std::map<std::string, CompiledGraph> graphs_;
  std::uint64_t weights_bytes_ = 0;
  PrecisionBytes matrix_bytes_;
};

// The widest vector instructions that this process uses: "AVX-512", "AVX2", ...
std::string instruction_set();

}  // namespace attend
