// Attention nodes: projections as packed products, positions, cache, and the ragged attention kernel.
//
// Legend: T tokens of the step, H heads, G key-value heads, d head width.
#include "engine/kernels/attention.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/graph/builder.h"
#include "engine/kernels/rows.h"
#include "engine/nodes/kernel.h"
#include "engine/nodes/relative_positions.h"
#include "engine/profiler/worker_spans.h"

namespace attend {
namespace {

// Tokens per task when keys and values are written: whole blocks.
constexpr std::int32_t kWriteTokens = 2 * static_cast<std::int32_t>(kBlockTokens);

// For each row, those read and what goes to the cache, in floats.
std::int64_t written_floats(const KvSlice& kv) {
  return 2 * kv.heads * kv.head_dim +
         kv.size_bytes() / kBlockTokens / static_cast<std::int64_t>(sizeof(float));
}

void write_all(const KvSlice& kv, std::span<const AttentionSpan> spans, const float* keys,
               const float* values, std::int64_t stride) {
  thread_local std::vector<AttentionSpan> parts;
  parts.clear();
  for (const AttentionSpan& span : spans) {
    for (AttentionSpan part = span; part.past < span.past + span.rows; part.past += part.rows) {
      part.first_row = span.first_row + part.past - span.past;
      part.rows = std::min(kWriteTokens - part.past % kWriteTokens, span.past + span.rows - part.past);
      parts.push_back(part);
    }
  }
  const AttentionSpan* list = parts.data();
  const auto count = static_cast<std::int64_t>(parts.size());
  parallel_for(count, count > 1, [&](std::int64_t i) { write_kv(kv, list[i], keys, values, stride); });
}

// Whether attention may round its operands to bf16: where the layer that projects the queries does, or rounds
// them to 8 bits, and the processor gains by it. It does where keys and values are in bf16 too. (Not those of
// 8 bits: they came out a quarter faster, but with int8 weights a trained model left its margin of
// perplexity.)
bool narrow_products(const PrepareContext& context, const DenseLayer& queries) {
  return context.library.weights(queries.spec) != DType::f32 && has_bf16_products();
}

// The steps scores, softmax and mix, and the output projection: what all attention nodes end with.
class AttentionCore {
 public:
  AttentionCore(PrepareContext& context, const Attention& op, std::int64_t width, const KvSlice& kv,
                bool narrow)
      : node_(context.node_index),
        width_(width),
        shape_{.heads = op.heads,
               .kv = kv,
               .scale = op.scale,
               .softcap = op.softcap,
               .causal = op.mask == Mask::causal,
               .window = op.window,
               .relative = nullptr,
               .products = narrow && kv.dtype == DType::bf16 ? DType::bf16 : DType::f32},
        scores_step_(context.step("scores", "attend")),
        softmax_step_(context.step("softmax", "attend")),
        mix_step_(context.step("mix", "attend")),
        out_(context.weights.dense(context.node(), {"out"}, op.heads * op.head_dim, Act::none)),
        out_step_(context.dense_step("out", out_, op.heads * op.head_dim, width)) {}

  const AttentionShape& shape() const { return shape_; }

  void run(RunContext& context, std::span<const AttentionSpan> spans, const float* q, std::int64_t q_stride,
           const NodeIo& io, const RelativeTerms* relative = nullptr) const {
    const std::int64_t rows = context.rows(Rows::tokens);
    AttentionShape shape = shape_;
    shape.relative = relative;
    float* mixed = context.scratch_rows(rows, shape_.heads * shape_.kv.head_dim);
    float* scratch = context.scratch(attention_scratch_floats(shape, spans, context.threads));
    const AttentionHooks hooks = context.attention_hooks(node_);
    thread_local std::vector<AttentionWeightsSink> sinks;
    sinks.clear();
    for (const AttentionProbe& probe : hooks.probes) {
      sinks.push_back(probe.weights);
      if (probe.inputs == nullptr) continue;
      std::copy_n(io.inputs[0] + probe.weights.first_row * width_, probe.weights.rows * width_,
                  probe.inputs + probe.first_input * width_);
    }
    AttentionSeconds seconds;
    const bool timed = context.profiler != nullptr;
    const StepWork work = timed ? work_of(shape, spans, rows) : StepWork{};
    const double begin = timed ? Profiler::now() : 0;
    attention(shape, spans, q, q_stride, mixed, context.threads, scratch, timed ? &seconds : nullptr, sinks);
    for (const HeadScaling& scaling : hooks.scalings) scale_head(scaling, mixed);
    if (timed) attribute(*context.profiler, rows, begin, Profiler::now(), seconds, work);
    context.dense(out_, out_step_, rows, mixed, io.output, io.accumulate);
  }

  // Attends from queries [own.count, stride] that are no rows of the step over the keys of `span`.
  void answer(RunContext& context, const OwnQueries& own, const AttentionSpan& span, const float* q,
              std::int64_t stride, const RelativeTerms* relative = nullptr) const {
    AttentionShape shape = shape_;
    shape.relative = relative;
    thread_local std::vector<AttentionSpan> spans;
    spans.clear();
    for (std::int32_t i = 0; i < own.count; ++i)
      spans.push_back({i, 1, own.position, span.keys, span.blocks});
    float* scratch = context.scratch(attention_scratch_floats(shape, spans, context.threads));
    attention(shape, spans, q, stride, own.values, context.threads, scratch, nullptr, {&own.weights, 1});
  }

  // The states of one's own queries, in memory that a product can read.
  float* states(RunContext& context, const OwnQueries& own) const {
    const std::int64_t width = own.projected ? shape_.heads * shape_.kv.head_dim : width_;
    float* rows = context.scratch_rows(own.count, width);
    std::copy_n(own.states, own.count * width, rows);
    return rows;
  }

  std::span<const OwnQueries> own_queries(RunContext& context) const {
    return context.attention_hooks(node_).queries;
  }

 private:
  void scale_head(const HeadScaling& scaling, float* mixed) const {
    const std::int64_t width = shape_.kv.head_dim;
    for (std::int32_t r = scaling.first_row; r < scaling.first_row + scaling.rows; ++r) {
      float* row = mixed + (r * shape_.heads + scaling.head) * width;
      for (std::int64_t j = 0; j < width; ++j) row[j] *= scaling.scale;
    }
  }

  // The three steps run interleaved in each thread: the wall time is shared out by their parts of the work.
  void attribute(Profiler& profiler, std::int64_t rows, double begin, double end, const AttentionSeconds& s,
                 const StepWork& work) const {
    const double sum = std::max(s.scores + s.softmax + s.mix, 1e-12);
    const double at_softmax = begin + (end - begin) * s.scores / sum;
    const double at_mix = at_softmax + (end - begin) * s.softmax / sum;
    profiler.add(scores_step_, rows, begin, at_softmax, work);
    profiler.add(softmax_step_, rows, at_softmax, at_mix);
    profiler.add(mix_step_, rows, at_mix, end, work);
  }

  // Of scores, and of mix: a multiply-add for each element of a head and each pair of query and key that
  // sees it; the keys (or values) of every sequence are read, and the queries read (or the result written).
  static StepWork work_of(const AttentionShape& shape, std::span<const AttentionSpan> spans,
                          std::int64_t rows) {
    const auto pairs = static_cast<double>(visible_pairs(shape, spans) * shape.heads);
    std::int64_t keys = 0;
    for (const AttentionSpan& span : spans) keys += span.keys;
    // Of a token, half of the block's share is keys.
    const double cached = static_cast<double>(keys * shape.kv.size_bytes()) / (2.0 * kBlockTokens);
    const auto floats = static_cast<double>(rows * shape.heads * shape.kv.head_dim);
    return {2.0 * pairs * static_cast<double>(shape.kv.head_dim), cached + floats * sizeof(float)};
  }

  int node_;
  std::int64_t width_;
  AttentionShape shape_;
  int scores_step_, softmax_step_, mix_step_;
  DenseLayer out_;
  int out_step_;
};

const AttentionSpan& span_of(std::span<const AttentionSpan> spans, std::int32_t row) {
  return *std::ranges::find_if(
      spans, [&](const AttentionSpan& s) { return row >= s.first_row && row < s.first_row + s.rows; });
}

class SelfAttentionKernel final : public NodeKernel {
 public:
  SelfAttentionKernel(PrepareContext& context, const Attention& op)
      : op_(op),
        state_(context.node().state),
        q_width_(op.heads * op.head_dim),
        kv_width_(op.kv_heads * op.head_dim),
        qkv_(context.weights.dense(context.node(), {"q", "k", "v"}, context.input(0).width, Act::none)),
        qkv_step_(context.dense_step("qkv", qkv_, context.input(0).width, q_width_ + 2 * kv_width_)) {
    if (context.node().weight("q_norm") != nullptr) {
      q_norm_ = context.weights.vector(context.node(), "q_norm", op.qk_norm.weight_offset);
      k_norm_ = context.weights.vector(context.node(), "k_norm", op.qk_norm.weight_offset);
      norm_step_ = context.step("qk_norm", "attend", 2 * (q_width_ + kv_width_));
    }
    if (op.rope) {
      rope_ = context.rope(*op.rope);
      rope_step_ = context.step("rope", "attend", 2 * (q_width_ + kv_width_));
    }
    if (op.relative_bias || op.disentangled) {
      relative_ = RelativePositions(context, op, qkv_);
      relative_step_ = context.step("positions", "attend");
    }
    const bool narrow = narrow_products(context, qkv_);
    // What encoders keep while they run.
    KvSlice kv{0, op.kv_heads, op.head_dim, narrow ? DType::bf16 : DType::f32};
    if (state_ >= 0) {
      kv = context.cache.slices[static_cast<std::size_t>(state_)];
      group_ = context.cache.groups[static_cast<std::size_t>(state_)];
    }
    write_step_ = context.step("kv_write", "attend", written_floats(kv));
    core_ = std::make_unique<AttentionCore>(context, op, context.input(0).width, kv, narrow);
  }

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    const std::int64_t stride = q_width_ + 2 * kv_width_;
    float* qkv = context.scratch_rows(rows, stride);
    context.dense(qkv_, qkv_step_, rows, io.inputs[0], qkv);
    if (!q_norm_.empty()) normalize_heads(context, qkv, rows, stride);
    if (op_.rope) rotate(context, qkv, rows, stride);
    const std::span<AttentionSpan> spans = make_spans(context);
    {
      const StepTimer timer(context.profiler, write_step_, rows);
      write_all(core_->shape().kv, spans, qkv + q_width_, qkv + q_width_ + kv_width_, stride);
    }
    RelativeTerms terms;
    if (relative_step_ >= 0) terms = relative_terms(context, spans);
    const RelativeTerms* relative = relative_step_ >= 0 ? &terms : nullptr;
    core_->run(context, spans, qkv, stride, io, relative);
    for (const OwnQueries& own : core_->own_queries(context)) {
      // Of a prompt in chunks, the one that they stand in: the keys before it are there, it sees no later
      // ones.
      const AttentionSpan& span = span_of(spans, own.row);
      if (own.position >= span.past && own.position < span.past + span.rows)
        answer(context, own, span, relative);
    }
  }

 private:
  void answer(RunContext& context, const OwnQueries& own, const AttentionSpan& span,
              const RelativeTerms* relative) const {
    const float* states = core_->states(context, own);
    if (own.projected) {
      core_->answer(context, own, span, states, q_width_, relative);
      return;
    }
    const std::int64_t stride = q_width_ + 2 * kv_width_;
    float* qkv = context.scratch_rows(own.count, stride);
    context.dense(qkv_, qkv_step_, own.count, states, qkv);
    if (!q_norm_.empty()) normalize_heads(context, qkv, own.count, stride);
    if (op_.rope) {
      const RopeTable table = context.rope(rope_);
      const std::int64_t at = (span.first_row + own.position - span.past) * op_.rope->dims / 2;
      for (std::int32_t i = 0; i < own.count; ++i) {
        rotate_row(qkv + i * stride, op_.heads, op_.head_dim, op_.rope->dims, op_.rope->interleaved,
                   table.cos + at, table.sin + at);
      }
    }
    core_->answer(context, own, span, qkv, stride, relative);
  }

  RelativeTerms relative_terms(RunContext& context, std::span<const AttentionSpan> spans) const {
    std::int64_t max_keys = 0;
    for (const AttentionSpan& span : spans) max_keys = std::max<std::int64_t>(max_keys, span.keys);
    const StepTimer timer(context.profiler, relative_step_, context.rows(Rows::tokens));
    return relative_.expand(context, max_keys);
  }

  std::span<AttentionSpan> make_spans(RunContext& context) const {
    const auto sequences = context.input->sequences;
    constexpr auto kFloats = static_cast<std::int64_t>(sizeof(AttentionSpan) / sizeof(float));
    auto* spans = reinterpret_cast<AttentionSpan*>(
        context.scratch(static_cast<std::int64_t>(sequences.size()) * kFloats));
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const SequenceSpan& s = sequences[i];
      spans[i] = {s.first_row, s.rows, s.past, s.past + s.rows,
                  state_ >= 0 ? s.tables[group_] : transient_blocks(context, s.rows)};
    }
    return {spans, sequences.size()};
  }

  // Encoders keep nothing: their blocks live as long as the node runs.
  BlockTable transient_blocks(RunContext& context, std::int64_t rows) const {
    const std::int64_t blocks = (rows + kBlockTokens - 1) / kBlockTokens;
    const std::int64_t size = core_->shape().kv.size_bytes();
    auto** table = reinterpret_cast<std::byte**>(context.scratch(blocks * 2));
    auto* memory = reinterpret_cast<std::byte*>(
        context.scratch(blocks * size / static_cast<std::int64_t>(sizeof(float))));
    for (std::int64_t b = 0; b < blocks; ++b) table[b] = memory + b * size;
    return table;
  }

  void normalize_heads(RunContext& context, float* qkv, std::int64_t rows, std::int64_t stride) const {
    const StepTimer timer(context.profiler, norm_step_, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = qkv + r * stride;
      normalize_rows(op_.qk_norm.kind, row, row, op_.heads, op_.head_dim, op_.head_dim, op_.qk_norm.eps,
                     q_norm_.data(), nullptr);
      normalize_rows(op_.qk_norm.kind, row + q_width_, row + q_width_, op_.kv_heads, op_.head_dim,
                     op_.head_dim, op_.qk_norm.eps, k_norm_.data(), nullptr);
    }
  }

  void rotate(RunContext& context, float* qkv, std::int64_t rows, std::int64_t stride) const {
    const StepTimer timer(context.profiler, rope_step_, rows);
    const RopeTable table = context.rope(rope_);
    const std::int64_t half = op_.rope->dims / 2;
    parallel_for(rows, rows > 8, [&](std::int64_t r) {
      // Queries and keys are neighbours in the row: one run over H + G heads.
      rotate_row(qkv + r * stride, op_.heads + op_.kv_heads, op_.head_dim, op_.rope->dims,
                 op_.rope->interleaved, table.cos + r * half, table.sin + r * half);
    });
  }

  Attention op_;
  int state_;
  int group_ = 0;
  std::int64_t q_width_;
  std::int64_t kv_width_;
  DenseLayer qkv_;
  int qkv_step_;
  std::vector<float> q_norm_, k_norm_;
  RelativePositions relative_;
  int relative_step_ = -1;
  int rope_ = -1;
  int norm_step_ = -1;
  int rope_step_ = -1;
  int write_step_ = -1;
  std::unique_ptr<AttentionCore> core_;
};

class CrossKvKernel final : public NodeKernel {
 public:
  CrossKvKernel(PrepareContext& context, const Attention& op)
      : kv_(context.cache.slices[static_cast<std::size_t>(context.node().state)]),
        width_(op.kv_heads * op.head_dim),
        kv_layer_(context.weights.dense(context.node(), {"k", "v"}, context.input(0).width, Act::none)),
        kv_step_(context.dense_step("kv", kv_layer_, context.input(0).width, 2 * width_)),
        write_step_(context.step("kv_write", "attend", written_floats(kv_))) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    float* kv = context.scratch_rows(rows, 2 * width_);
    context.dense(kv_layer_, kv_step_, rows, io.inputs[0], kv);
    const StepTimer timer(context.profiler, write_step_, rows);
    thread_local std::vector<AttentionSpan> spans;
    spans.clear();
    for (const CrossSpan& c : context.input->cross)
      spans.push_back({c.first_row, c.rows, 0, c.keys, c.blocks});
    write_all(kv_, spans, kv, kv + width_, 2 * width_);
  }

 private:
  KvSlice kv_;
  std::int64_t width_;
  DenseLayer kv_layer_;
  int kv_step_;
  int write_step_;
};

class CrossAttentionKernel final : public NodeKernel {
 public:
  CrossAttentionKernel(PrepareContext& context, const Attention& op)
      : q_width_(op.heads * op.head_dim),
        q_(context.weights.dense(context.node(), {"q"}, context.input(0).width, Act::none)),
        q_step_(context.dense_step("q", q_, context.input(0).width, q_width_)),
        core_(context, op, context.input(0).width,
              context.cache.slices[static_cast<std::size_t>(context.node().state)],
              narrow_products(context, q_)) {}

  void run(RunContext& context, const NodeIo& io) const override {
    const std::int64_t rows = context.rows(Rows::tokens);
    float* q = context.scratch_rows(rows, q_width_);
    context.dense(q_, q_step_, rows, io.inputs[0], q);
    thread_local std::vector<AttentionSpan> spans;
    spans.clear();
    for (const CrossSpan& c : context.input->cross)
      spans.push_back({c.first_row, c.rows, 0, c.keys, c.blocks});
    core_.run(context, spans, q, q_width_, io);
    for (const OwnQueries& own : core_.own_queries(context)) {
      const float* queries = core_.states(context, own);
      if (!own.projected) {
        float* projected = context.scratch_rows(own.count, q_width_);
        context.dense(q_, q_step_, own.count, queries, projected);
        queries = projected;
      }
      core_.answer(context, own, span_of(spans, own.row), queries, q_width_);
    }
  }

 private:
  std::int64_t q_width_;
  DenseLayer q_;
  int q_step_;
  AttentionCore core_;
};

}  // namespace

std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const SelfAttention& op) {
  return std::make_unique<SelfAttentionKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const CrossKv& op) {
  return std::make_unique<CrossKvKernel>(context, op);
}
std::unique_ptr<NodeKernel> prepare_node(PrepareContext& context, const CrossAttention& op) {
  return std::make_unique<CrossAttentionKernel>(context, op);
}

}  // namespace attend
