// Runs the graphs of a compiled model, one step at a time.
//
// An executor owns the memory of a run (arena, scratch, primitives) and belongs to one thread of control; any
// number of executors can share one model. In the steady state a run allocates nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/plan/attention_hooks.h"
#include "engine/plan/compiled_model.h"
#include "engine/plan/step_input.h"
#include "engine/profiler/profiler.h"

namespace attend {

// A node's value while it is alive: [rows, width], rows of the given kind. What is an output of the graph
// comes again under the output's name ("logits").
struct NodeView {
  std::string_view name;
  const Node& node;
  Rows rows_kind;
  const float* data;
  std::int64_t rows;
  std::int64_t width;
};

struct RunOptions {
  Profiler* profiler = nullptr;
  // Called after each node; the graph then runs unfused, with the same bits.
  std::function<void(const NodeView&)> on_node;
  AttentionHooks attention;
};

struct OutputView {
  const float* data = nullptr;  // [rows, width], valid until the next run
  std::int64_t rows = 0;
  std::int64_t width = 0;
};

class Executor {
 public:
  // `threads`: processors that each parallel region may use.
  Executor(const CompiledModel& model, int threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // All indices must be in range: ids below the vocabulary, positions below the limit.
  void run(const std::string& graph, const StepInput& input, const RunOptions& options = {});
  // An output of the graph that ran last; throws when it has none of this name.
  OutputView output(std::string_view name) const;
  // Memory of arena and scratch.
  std::uint64_t size_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attend
