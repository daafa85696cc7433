// Convolution along sequences, as one product: every row beside its neighbours.
#include <cstring>
#include <memory>

#include "engine/nodes/kernel.h"

namespace attend {
namespace {

class ConvolutionKernel final : public NodeKernel {
 public:
  ConvolutionKernel(PrepareContext& context, const Convolution& op)
      : op_(op),
        width_(context.input(0).width),
        layer_(context.weights.dense(context.node(), {""}, context.input(0).width * op.kernel, Act::none)),
        gather_step_(context.step("gather", "attend", (1 + op.kernel) * width_)),
        step_(context.dense_step("linear", layer_, context.input(0).width * op.kernel, op.out)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    float* windows = context.scratch_rows(rows, width_ * op_.kernel);
    {
      const StepTimer timer(context.profiler, gather_step_, rows);
      for (const SequenceSpan& sequence : context.input->sequences) gather(sequence, io.inputs[0], windows);
    }
    context.dense(layer_, step_, rows, windows, io.output, io.accumulate);
  }

 private:
  // A row of `windows` is [D][kernel], as torch lays its weights out.
  void gather(const SequenceSpan& sequence, const float* x, float* windows) const {
    for (std::int64_t r = 0; r < sequence.rows; ++r) {
      float* window = windows + (sequence.first_row + r) * width_ * op_.kernel;
      for (std::int64_t k = 0; k < op_.kernel; ++k) {
        const std::int64_t from = r + k - op_.kernel / 2;
        const bool inside = from >= 0 && from < sequence.rows;
        const float* row = inside ? x + (sequence.first_row + from) * width_ : nullptr;
        for (std::int64_t i = 0; i < width_; ++i) window[i * op_.kernel + k] = inside ? row[i] : 0.0F;
      }
    }
  }

  Convolution op_;
  std::int64_t width_;
  DenseLayer layer_;
  int gather_step_;
  int step_;
};

}  // namespace

std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Convolution& op) {
  return std::make_unique<ConvolutionKernel>(context, op);
}

}  // namespace attend
