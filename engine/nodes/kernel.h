// The prepared form of a node: its weights packed, its steps registered, ready to run.
//
// Kernels are const and shared by all executors; what a run needs comes in its context.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/onednn/dense.h"
#include "engine/plan/attention_hooks.h"
#include "engine/plan/cache_layout.h"
#include "engine/plan/step_input.h"
#include "engine/plan/weight_loader.h"
#include "engine/profiler/profiler.h"

namespace attend {

// Cosines and sines of a step's rows, each [T, dims / 2].
struct RopeTable {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

// What a kernel sees while it runs.
class RunContext {
 public:
  virtual ~RunContext() = default;

  const StepInput* input = nullptr;
  Profiler* profiler = nullptr;
  int threads = 1;

  std::int64_t rows(Rows kind) const;
  // Floats that live until the node is done, 64-byte aligned, with unspecified contents.
  virtual float* scratch(std::int64_t floats) = 0;
  // Room for `rows` rows of `width`, padded to the products' row bucket.
  float* scratch_rows(std::int64_t rows, std::int64_t width) { return scratch(bucket_rows(rows) * width); }
  // y = layer(x) with `rows` rows, or y += layer(x) with `accumulate`; timed as `step`.
  // x and y are of the types that the layer's spec says.
  void dense(const DenseLayer& layer, int step, std::int64_t rows, const void* x, void* y,
             bool accumulate = false, const float* other = nullptr);
  // The table of the rotation with this id, computed once per step.
  virtual RopeTable rope(int id) = 0;
  // What somebody wants to see or change of this attention node.
  virtual AttentionHooks attention_hooks(int node) = 0;

 protected:
  DenseExecutor* dense_ = nullptr;
};

// One node's inputs and output in a run.
struct NodeIo {
  std::vector<const float*> inputs;
  const std::int32_t* indices = nullptr;  // of nodes that look rows up
  float* output = nullptr;
  bool accumulate = false;  // the output holds a summand already
};

class NodeKernel {
 public:
  virtual ~NodeKernel() = default;
  virtual void run(RunContext& context, const NodeIo& io) const = 0;
};

struct PrepareContext {
  const Graph& graph;
  int node_index;
  WeightLoader& weights;
  const DenseLibrary& library;
  const CacheLayout& cache;
  std::vector<StepInfo>& steps;
  std::vector<Rope>& ropes;

  const Node& node() const { return graph.nodes[static_cast<std::size_t>(node_index)]; }
  const ValueInfo& input(int i) const {
    return graph.values[static_cast<std::size_t>(node().inputs[static_cast<std::size_t>(i)])];
  }
  // Registers a timed step of this node, with the floats that it reads and writes for each row.
  int step(std::string name, std::string implementation, std::int64_t floats_per_row = 0);
  // The id of this rotation; equal ones share it.
  int rope(const Rope& rope);
  int dense_step(std::string name, const DenseLayer& layer, std::int64_t in, std::int64_t out);
};

// Prepares any node; one function per file of engine/nodes/.
std::unique_ptr<NodeKernel> prepare(PrepareContext& context);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Embedding& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Sinusoid& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Norm& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Linear& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const SelfAttention& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const CrossKv& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const CrossAttention& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const FeedForward& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Add& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Activation& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const GatherRows& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const MeanRows& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Column& op);
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Convolution& op);

// Whether the node can add its result to what its output holds, after reading all its inputs.
bool can_accumulate(const Op& op);
// Whether the output may take the place of the first input.
bool runs_in_place(const Op& op);

}  // namespace attend
