// Linear maps and feed-forward networks.
#include <memory>

#include "engine/kernels/rows.h"
#include "engine/nodes/kernel.h"

namespace attend {
namespace {

class LinearKernel final : public NodeKernel {
 public:
  LinearKernel(PrepareContext& context, const Linear& op)
      : op_(op),
        rows_(context.input(0).rows),
        layer_(context.weights.dense(context.node(), {""}, context.input(0).width, op.act)),
        step_(context.dense_step("linear", layer_, context.input(0).width, op.out)) {
    if (op.softcap != 0.0F || op.scale != 1.0F) cap_step_ = context.step("cap", "attend", 2 * op.out);
  }

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    context.dense(layer_, step_, rows, io.inputs[0], io.output, io.accumulate);
    if (cap_step_ < 0) return;
    const StepTimer timer(context.profiler, cap_step_, rows);
    scale_and_cap(io.output, rows * op_.out, op_.scale, op_.softcap);
  }

 private:
  Linear op_;
  Rows rows_;
  DenseLayer layer_;
  int step_;
  int cap_step_ = -1;
};

class FeedForwardKernel final : public NodeKernel {
 public:
  FeedForwardKernel(PrepareContext& context, const FeedForward& op)
      : op_(op), rows_(context.input(0).rows), gated_(context.node().weight("gate.weight") != nullptr) {
    const std::int64_t width = context.input(0).width;
    const Node& node = context.node();
    if (gated_) {
      // gate = act(x Wg), then up multiplies it on its way out: no pass of its own.
      gate_ = context.weights.dense(node, {"gate"}, width, op.act);
      gate_step_ = context.dense_step("gate", gate_, width, op.hidden);
      up_ = context.weights.dense(node, {"up"}, width, Act::none, DenseSpec::multiply);
    } else {
      up_ = context.weights.dense(node, {"up"}, width, op.act);
    }
    up_step_ = context.dense_step("up", up_, width, op.hidden);
    down_ = context.weights.dense(node, {"down"}, op.hidden, Act::none);
    context.weights.hand_over(up_, down_);
    down_step_ = context.dense_step("down", down_, op.hidden, width);
  }

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    float* hidden = context.scratch_rows(rows, op_.hidden);
    if (gated_) {
      float* gate = context.scratch_rows(rows, op_.hidden);
      context.dense(gate_, gate_step_, rows, io.inputs[0], gate);
      context.dense(up_, up_step_, rows, io.inputs[0], hidden, false, gate);
    } else {
      context.dense(up_, up_step_, rows, io.inputs[0], hidden);
    }
    context.dense(down_, down_step_, rows, hidden, io.output, io.accumulate);
  }

 private:
  FeedForward op_;
  Rows rows_;
  bool gated_;
  DenseLayer gate_, up_, down_;
  int gate_step_ = -1;
  int up_step_ = -1;
  int down_step_ = -1;
};

}  // namespace

std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Linear& op) {
  return std::make_unique<LinearKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const FeedForward& op) {
  return std::make_unique<FeedForwardKernel>(context, op);
}

}  // namespace attend
