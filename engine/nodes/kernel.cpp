#include "engine/nodes/kernel.h"

#include <algorithm>
#include <utility>

namespace attend {

std::int64_t RunContext::rows(Rows kind) const {
  switch (kind) {
    case Rows::tokens: return static_cast<std::int64_t>(input->tokens.size());
    case Rows::sampled: return static_cast<std::int64_t>(input->sampled_rows.size());
    case Rows::sequences: return static_cast<std::int64_t>(input->sequences.size());
  }
  return 0;
}

void RunContext::dense(const DenseLayer& layer, int step, std::int64_t rows, const void* x, void* y,
                       bool accumulate, const float* other) {
  const StepTimer timer(profiler, step, rows);
  const int spec = accumulate ? layer.spec_add : layer.spec;
  dense_->run(spec, *layer.weights, layer.bias_or_null(), rows, x, y, other);
  if (profiler != nullptr) profiler->ran_on(step, dense_->implementation(spec, rows));
}

int PrepareContext::step(std::string name, std::string implementation, std::int64_t floats_per_row) {
  steps.push_back({.node = node().name,
                   .kind = std::string(kind_name(node().op)),
                   .step = std::move(name),
                   .implementation = std::move(implementation),
                   .bytes_per_row = static_cast<double>(floats_per_row) * sizeof(float)});
  return static_cast<int>(steps.size()) - 1;
}

int PrepareContext::rope(const Rope& rope) {
  const auto found = std::find(ropes.begin(), ropes.end(), rope);
  if (found != ropes.end()) return static_cast<int>(found - ropes.begin());
  ropes.push_back(rope);
  return static_cast<int>(ropes.size()) - 1;
}

int PrepareContext::dense_step(std::string name, const DenseLayer& layer, std::int64_t in, std::int64_t out) {
  const int id = step(std::move(name), library.implementation(layer.spec), in + out);
  StepInfo& info = steps.back();
  info.flops_per_row = 2.0 * static_cast<double>(in) * static_cast<double>(out);
  info.bytes_per_call = static_cast<double>(layer.weights->size_bytes());
  return id;
}

std::unique_ptr<NodeKernel> prepare(PrepareContext& context) {
  return std::visit([&](const auto& op) { return prepare_node(context, op); }, context.node().op);
}

bool can_accumulate(const Op& op) {
  if (const auto* linear = std::get_if<Linear>(&op)) {
    return linear->act == Act::none && linear->softcap == 0.0F && linear->scale == 1.0F;
  }
  return std::holds_alternative<SelfAttention>(op) || std::holds_alternative<CrossAttention>(op) ||
         std::holds_alternative<FeedForward>(op);
}

bool runs_in_place(const Op& op) {
  return std::holds_alternative<Norm>(op) || std::holds_alternative<Add>(op) ||
         std::holds_alternative<Activation>(op);
}

}  // namespace attend
