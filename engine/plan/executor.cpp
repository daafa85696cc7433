#include "engine/plan/executor.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "attend/error.h"

namespace attend {
namespace {

// Memory handed out front to back and taken back at once. Growing keeps what was handed out where it is.
class Scratch {
 public:
  float* take(std::int64_t floats) {
    const std::int64_t padded = (floats + 15) / 16 * 16;
    if (chunks_.empty() || used_ + padded > capacity()) grow(padded);
    float* result = reinterpret_cast<float*>(chunks_.back().bytes()) + used_;
    used_ += padded;
    return result;
  }

  void reset() {
    if (chunks_.size() > 1) {
      std::int64_t total = 0;
      for (const Tensor& chunk : chunks_) total += chunk.shape()[0];
      chunks_.clear();
      chunks_.emplace_back(DType::f32, Shape{total});
    }
    used_ = 0;
  }

  std::uint64_t size_bytes() const {
    std::uint64_t total = 0;
    for (const Tensor& chunk : chunks_) total += chunk.size_bytes();
    return total;
  }

 private:
  std::int64_t capacity() const { return chunks_.back().shape()[0]; }
  void grow(std::int64_t floats) {
    chunks_.emplace_back(DType::f32, Shape{floats});
    used_ = 0;
  }

  std::vector<Tensor> chunks_;
  std::int64_t used_ = 0;
};

}  // namespace

struct Executor::Impl final : RunContext {
  struct Arena {
    std::vector<Tensor> slots;
  };
  struct RopeMemory {
    std::vector<float> cos, sin;
    std::vector<float> dynamic;  // frequencies that depend on the length
    bool ready = false;
  };

  Impl(const CompiledModel& compiled, int thread_count)
      : model(compiled), products(compiled.dense()), ropes(compiled.ropes().size()) {
    threads = thread_count;
    dense_ = &products;
  }

  float* scratch(std::int64_t floats) override { return memory.take(floats); }

  AttentionHooks attention_hooks(int node) override {
    return options->attention.empty() ? AttentionHooks() : options->attention.of(node);
  }

  RopeTable rope(int id) override {
    RopeMemory& table = ropes[static_cast<std::size_t>(id)];
    if (!table.ready) fill(table, model.ropes()[static_cast<std::size_t>(id)]);
    return {table.cos.data(), table.sin.data()};
  }

  void fill(RopeMemory& table, const Rope& rope) {
    const auto half = static_cast<std::size_t>(rope.dims / 2);
    table.cos.resize(input->tokens.size() * half);
    table.sin.resize(input->tokens.size() * half);
    for (const SequenceSpan& sequence : input->sequences) {
      const std::int64_t at_least =
          sequence.rotated_as > 0 ? sequence.rotated_as : sequence.past + sequence.rows;
      std::int64_t dynamic_length = 0;  // of the frequencies in table.dynamic
      for (std::int32_t r = 0; r < sequence.rows; ++r) {
        const auto row = static_cast<std::size_t>(sequence.first_row + r);
        const float* frequencies = rope.inv_freq.data();
        const std::int64_t length = std::max<std::int64_t>(at_least, sequence.past + r + 1);
        if (rope.dynamic_from > 0 && length > rope.dynamic_from) {
          if (length != dynamic_length) fill_dynamic(rope, length, table.dynamic);
          dynamic_length = length;
          frequencies = table.dynamic.data();
        }
        const auto position = static_cast<float>(input->positions[row]);
        for (std::size_t i = 0; i < half; ++i) {
          const float angle = position * frequencies[i];
          table.cos[row * half + i] = std::cos(angle) * rope.scale;
          table.sin[row * half + i] = std::sin(angle) * rope.scale;
        }
      }
    }
    table.ready = true;
  }

  // LongRoPE's second table, or dynamic NTK scaling: the base grows so that the longest wavelength covers
  // `length` tokens. In f32 throughout, as the reference computes it.
  static void fill_dynamic(const Rope& rope, std::int64_t length, std::vector<float>& frequencies) {
    frequencies.assign(rope.long_inv_freq.begin(), rope.long_inv_freq.end());
    if (!frequencies.empty()) return;
    const auto dims = static_cast<float>(rope.dims);
    const float stretch = rope.factor * static_cast<float>(length) / static_cast<float>(rope.dynamic_from) -
                          (rope.factor - 1.0F);
    const float base = rope.theta * std::pow(stretch, dims / (dims - 2.0F));
    for (std::int64_t i = 0; i < rope.dims; i += 2) {
      frequencies.push_back(1.0F / std::pow(base, static_cast<float>(i) / dims));
    }
  }

  void reserve_arena() {
    Arena& own = arenas[plan];
    own.slots.resize(plan->slots.size());
    for (std::size_t s = 0; s < plan->slots.size(); ++s) {
      const std::int64_t needed = bucket_rows(rows(plan->slots[s].rows)) * plan->slots[s].width;
      Tensor& slot = own.slots[s];
      // Zeroed, so that the rows that pad a bucket are finite.
      if (slot.empty() || slot.shape()[0] < needed) slot = Tensor::zeros(DType::f32, {needed});
    }
    arena = &own;
  }

  float* value(int id) {
    const int slot = plan->slot_of[static_cast<std::size_t>(id)];
    return slot < 0 ? nullptr
                    : reinterpret_cast<float*>(arena->slots[static_cast<std::size_t>(slot)].bytes());
  }

  void run_node(const PlannedNode& planned) {
    const Graph& graph = *current->graph;
    const Node& node = graph.nodes[static_cast<std::size_t>(planned.node)];
    io.inputs.clear();
    io.indices = nullptr;
    for (const int id : node.inputs) {
      io.inputs.push_back(value(id));
      if (id == graph.tokens) io.indices = input->tokens.data();
      if (id == graph.positions) io.indices = input->positions.data();
      if (id == graph.token_types) io.indices = input->token_types.data();
    }
    io.output = planned.output < 0 ? nullptr : value(planned.output);
    io.accumulate = planned.accumulate;
    current->kernels[static_cast<std::size_t>(planned.node)]->run(*this, io);
    memory.reset();
    if (options->on_node && node.output >= 0) {
      const ValueInfo& info = graph.values[static_cast<std::size_t>(node.output)];
      options->on_node({node.name, node, info.rows, io.output, rows(info.rows), info.width});
      for (const NamedValue& output : graph.outputs) {
        if (output.value != node.output) continue;
        options->on_node({output.name, node, info.rows, io.output, rows(info.rows), info.width});
      }
    }
  }

  const CompiledModel& model;
  DenseExecutor products;
  Scratch memory;
  std::map<const Plan*, Arena> arenas;
  std::vector<RopeMemory> ropes;
  Arena* arena = nullptr;
  const CompiledGraph* current = nullptr;
  const Plan* plan = nullptr;
  StepInput step;  // of the last run: its sizes are those of the outputs
  const RunOptions* options = nullptr;
  NodeIo io;
};

Executor::Executor(const CompiledModel& model, int threads) : impl_(std::make_unique<Impl>(model, threads)) {}
Executor::~Executor() = default;

void Executor::run(const std::string& graph, const StepInput& input, const RunOptions& options) {
  omp_set_num_threads(impl_->threads);
  impl_->current = &impl_->model.graph(graph);
  impl_->plan = options.on_node ? &impl_->current->materialized : &impl_->current->fused;
  impl_->step = input;
  impl_->input = &impl_->step;
  impl_->profiler = options.profiler;
  impl_->options = &options;
  impl_->reserve_arena();
  for (Impl::RopeMemory& table : impl_->ropes) table.ready = false;
  for (const PlannedNode& node : impl_->plan->nodes) impl_->run_node(node);
  impl_->options = nullptr;
}

OutputView Executor::output(std::string_view name) const {
  if (impl_->current != nullptr) {
    for (const NamedValue& output : impl_->current->graph->outputs) {
      if (output.name != name) continue;
      const ValueInfo& info = impl_->current->graph->values[static_cast<std::size_t>(output.value)];
      return {impl_->value(output.value), impl_->rows(info.rows), info.width};
    }
  }
  throw internal_error("Executor", "the graph has no output " + std::string(name));
}

std::uint64_t Executor::size_bytes() const {
  std::uint64_t total = impl_->memory.size_bytes();
  for (const auto& [key, arena] : impl_->arenas) {
    for (const Tensor& slot : arena.slots) total += slot.size_bytes();
  }
  return total;
}

}  // namespace attend
