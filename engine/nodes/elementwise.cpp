// Nodes without products: embeddings, positions, normalisation, sums, activations, row gathers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "engine/in_parallel.h"
#include "engine/kernels/rows.h"
#include "engine/nodes/kernel.h"

namespace attend {
namespace {

class EmbeddingKernel final : public NodeKernel {
 public:
  EmbeddingKernel(PrepareContext& context, const Embedding& op)
      : op_(op),
        table_(context.weights.embedding(context.node())),
        step_(context.step("gather", "attend", 2 * op.dim)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    const StepTimer timer(context.profiler, step_, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      table_.gather(io.indices[r] + op_.offset, op_.scale, io.output + r * op_.dim);
    }
  }

 private:
  Embedding op_;
  EmbeddingTable table_;
  int step_;
};

class SinusoidKernel final : public NodeKernel {
 public:
  SinusoidKernel(PrepareContext& context, const Sinusoid& op)
      : op_(op),
        table_(context.weights.computed(fmt::format("sinusoid {} {}", op.rows, op.dim),
                                        [&] { return make_table(op); })),
        step_(context.step("gather", "attend", 2 * op.dim)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    const StepTimer timer(context.profiler, step_, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::memcpy(io.output + r * op_.dim, table_->data() + io.indices[r] * op_.dim,
                  static_cast<std::size_t>(op_.dim) * sizeof(float));
    }
  }

 private:
  static constexpr std::int64_t kRowsOfPiece = 64;

  // As the reference computes it: in double, sines at the even angles, cosines at the odd ones.
  static std::vector<float> make_table(const Sinusoid& op) {
    const std::int64_t half = op.dim / 2 + op.dim % 2;
    std::vector<double> wavelengths(static_cast<std::size_t>(half));
    for (std::int64_t j = 0; j < half; ++j) {
      wavelengths[static_cast<std::size_t>(j)] =
          std::pow(10000.0, 2.0 * static_cast<double>(j) / static_cast<double>(op.dim));
    }
    std::vector<float> table(static_cast<std::size_t>(op.rows * op.dim));
    in_parallel(op.rows, kRowsOfPiece, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t p = first; p < first + count; ++p) {
        float* row = table.data() + p * op.dim;
        for (std::int64_t i = 0; i < op.dim; ++i) {
          const std::int64_t j = i < half ? i : i - half;
          const double angle = static_cast<double>(p) / wavelengths[static_cast<std::size_t>(j)];
          row[i] = static_cast<float>(i < half ? std::sin(angle) : std::cos(angle));
        }
      }
    });
    return table;
  }

  Sinusoid op_;
  std::shared_ptr<const std::vector<float>> table_;
  int step_;
};

class NormKernel final : public NodeKernel {
 public:
  NormKernel(PrepareContext& context, const Norm& op)
      : op_(op),
        rows_(context.input(0).rows),
        width_(context.input(0).width),
        weight_(context.weights.vector(context.node(), "weight", op.weight_offset)),
        step_(context.step("norm", "attend", 2 * width_)) {
    if (context.node().weight("bias") != nullptr) bias_ = context.weights.vector(context.node(), "bias");
  }

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    const StepTimer timer(context.profiler, step_, rows);
    normalize_rows(op_.kind, io.inputs[0], io.output, rows, width_, width_, op_.eps, weight_.data(),
                   bias_.empty() ? nullptr : bias_.data());
  }

 private:
  Norm op_;
  Rows rows_;
  std::int64_t width_;
  std::vector<float> weight_;
  std::vector<float> bias_;
  int step_;
};

class AddKernel final : public NodeKernel {
 public:
  explicit AddKernel(PrepareContext& context)
      : rows_(context.input(0).rows),
        width_(context.input(0).width),
        step_(context.step("add", "attend", 3 * width_)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    const StepTimer timer(context.profiler, step_, rows);
    add_rows(io.inputs[0], io.inputs[1], io.output, rows * width_);
  }

 private:
  Rows rows_;
  std::int64_t width_;
  int step_;
};

class ActivationKernel final : public NodeKernel {
 public:
  ActivationKernel(PrepareContext& context, const Activation& op)
      : op_(op),
        rows_(context.input(0).rows),
        width_(context.input(0).width),
        step_(context.step("activation", "attend", 2 * width_)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    const StepTimer timer(context.profiler, step_, rows);
    if (io.output != io.inputs[0])
      std::memcpy(io.output, io.inputs[0], static_cast<std::size_t>(rows * width_) * sizeof(float));
    activate(op_.act, io.output, rows * width_);
  }

 private:
  Activation op_;
  Rows rows_;
  std::int64_t width_;
  int step_;
};

class GatherRowsKernel final : public NodeKernel {
 public:
  GatherRowsKernel(PrepareContext& context, const GatherRows& op)
      : op_(op), width_(context.input(0).width), step_(context.step("gather", "attend", 2 * width_)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const bool sampled = op_.which == GatherRows::sampled;
    const std::int64_t rows = context.rows(sampled ? Rows::sampled : Rows::sequences);
    const StepTimer timer(context.profiler, step_, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto i = static_cast<std::size_t>(r);
      const std::int64_t from =
          sampled ? context.input->sampled_rows[i] : context.input->sequences[i].first_row;
      std::memcpy(io.output + r * width_, io.inputs[0] + from * width_,
                  static_cast<std::size_t>(width_) * sizeof(float));
    }
  }

 private:
  GatherRows op_;
  std::int64_t width_;
  int step_;
};

class MeanRowsKernel final : public NodeKernel {
 public:
  explicit MeanRowsKernel(PrepareContext& context)
      : width_(context.input(0).width), step_(context.step("mean", "attend")) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const StepTimer timer(context.profiler, step_, context.rows(Rows::sequences));
    float* y = io.output;
    for (const SequenceSpan& sequence : context.input->sequences) {
      std::fill_n(y, width_, 0.0F);
      const float* x = io.inputs[0] + sequence.first_row * width_;
      for (std::int32_t r = 0; r < sequence.rows; ++r, x += width_) {
        for (std::int64_t i = 0; i < width_; ++i) y[i] += x[i];
      }
      for (std::int64_t i = 0; i < width_; ++i) y[i] /= static_cast<float>(sequence.rows);
      y += width_;
    }
  }

 private:
  std::int64_t width_;
  int step_;
};

class ColumnKernel final : public NodeKernel {
 public:
  ColumnKernel(PrepareContext& context, const Column& op)
      : op_(op),
        rows_(context.input(0).rows),
        width_(context.input(0).width),
        step_(context.step("column", "attend")) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(rows_);
    const StepTimer timer(context.profiler, step_, rows);
    for (std::int64_t r = 0; r < rows; ++r) io.output[r] = io.inputs[0][r * width_ + op_.index];
  }

 private:
  Column op_;
  Rows rows_;
  std::int64_t width_;
  int step_;
};

}  // namespace

std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Embedding& op) {
  return std::make_unique<EmbeddingKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Sinusoid& op) {
  return std::make_unique<SinusoidKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Norm& op) {
  return std::make_unique<NormKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Add&) {
  return std::make_unique<AddKernel>(context);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Activation& op) {
  return std::make_unique<ActivationKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const GatherRows& op) {
  return std::make_unique<GatherRowsKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const MeanRows&) {
  return std::make_unique<MeanRowsKernel>(context);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const Column& op) {
  return std::make_unique<ColumnKernel>(context, op);
}

}  // namespace attend
