#include "engine/onednn/dense.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <dnnl.hpp>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <tuple>
#include <utility>

#include "attend/error.h"
#include "attend/tensor.h"
#include "engine/kernels/quantize.h"
#include "engine/onednn/few_rows_product.h"
#include "engine/onednn/packed_weights.h"
#include "engine/onednn/primitive.h"

namespace attend {
namespace {

// oneDNN's AVX2 inner product cuts sums over more than 512 inputs in another way from about 88 rows on, and
// from 17 on where there are fewer outputs than keep all threads busy; the bits change with it. Longer
// batches run as several of at most this many rows: same bits, same speed.
constexpr std::int64_t kExactInputs = 512;
constexpr std::int64_t kExactRows = 64;
constexpr std::int64_t kExactRowsOfFewOutputs = 16;
constexpr std::int64_t kBusyOutputs = 48;  // for each thread

// Magnitudes of quantised activations. Without VNNI instructions the products of pairs are added in 16 bits,
// which holds 2 * 127 * 127 and not 2 * 255 * 127.
int source_levels(const std::string& implementation) {
  const bool wide =
      implementation.find("vnni") != std::string::npos || implementation.find("amx") != std::string::npos;
  return wide ? 127 : 63;
}

// Between these sizes the answer is the shape's own; beyond them it would be noise or take long.
constexpr std::int64_t kSmallestTrial = 512;
constexpr std::int64_t kLargestTrial = 1024;
constexpr std::int64_t kTrialRows = 32;
constexpr int kTrialRuns = 3;
// Half the memory and half the traffic are worth a product that is somewhat slower.
constexpr double kWorthwhile = 0.8;
// Beside other programs a trial may be unlucky: it takes several to find against.
constexpr int kTrials = 3;

// The best time of a product on one thread, which no waiting for another disturbs.
double trial_seconds(const dnnl::engine& engine, const DenseSpec& spec) {
  DenseLibrary library;
  const int id = library.add(spec);
  const auto fill = [&](std::int64_t, std::int64_t rows, float* dst) {
    std::fill_n(dst, rows * spec.in, 0.5F);
  };
  WeightMemory memory;
  const BlockedWeights weights(engine, memory, choose_product(engine, spec), spec,
                               converted_rows(spec.weights, spec.in, fill));
  std::vector<float> src(static_cast<std::size_t>(kTrialRows * spec.in), 0.5F);
  std::vector<float> dst(static_cast<std::size_t>(kTrialRows * spec.out));
  DenseExecutor executor(library);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kTrialRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    executor.run(id, weights, nullptr, kTrialRows, src.data(), dst.data());
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  omp_set_num_threads(threads);
  return best;
}

using DenseShape = std::tuple<DType, std::int64_t, std::int64_t>;

// Whether such weights are worth having on this machine.
bool try_out(const dnnl::engine& engine, const DenseShape& shape) {
  const auto [weights, in, out] = shape;
  const DenseSpec spec{.in = in, .out = out, .weights = weights};
  try {
    const std::string name = choose_product(engine, spec).implementation;
    if (weights == DType::i8) return name.find("ref") == std::string::npos;
    if (!name.starts_with("brg")) return false;
    DenseSpec wide = spec;
    wide.weights = DType::f32;
    for (int i = 0; i < kTrials; ++i) {
      if (trial_seconds(engine, spec) * kWorthwhile < trial_seconds(engine, wide)) return true;
    }
    return false;
  } catch (const dnnl::error&) {
    return false;  // this machine has no such product
  }
}

}  // namespace

std::int64_t bucket_rows(std::int64_t rows) {
  const auto up = [&](std::int64_t multiple) { return (rows + multiple - 1) / multiple * multiple; };
  if (rows <= 8) return rows;
  if (rows <= 64) return up(4);
  return rows <= 256 ? up(8) : up(32);
}

struct DenseLibrary::Impl {
  struct Entry {
    DenseSpec spec;
    ProductPrimitive product;
    int layout_of;
    FewRowsOrder few_rows;
  };
  void learn_few_rows(int spec, const BlockedWeights& weights, const DenseLibrary& library);

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<Entry> entries;
  WeightMemory memory;
};

DenseLibrary::DenseLibrary() : impl_(std::make_unique<Impl>()) {}
DenseLibrary::~DenseLibrary() = default;

int DenseLibrary::add(const DenseSpec& spec, int layout_of) {
  auto& entries = impl_->entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].spec == spec) return static_cast<int>(i);
  }
  entries.push_back(rethrow_as_error(spec, [&] {
    if (layout_of < 0) return Impl::Entry{spec, choose_product(impl_->engine, spec), layout_of, {}};
    const ProductPrimitive& base = entries[static_cast<std::size_t>(layout_of)].product;
    return Impl::Entry{
        spec, make_product(impl_->engine, spec, kLayoutRows, base.flavour, &base.weights), layout_of, {}};
  }));
  return static_cast<int>(entries.size()) - 1;
}

std::shared_ptr<const PackedWeights> DenseLibrary::pack(int spec, const RowSource& source) {
  const Impl::Entry& entry = impl_->entries[static_cast<std::size_t>(spec)];
  return rethrow_as_error(entry.spec, [&] {
    auto weights = std::make_shared<const BlockedWeights>(impl_->engine, impl_->memory, entry.product,
                                                          entry.spec, source);
    for (std::size_t i = 0; i < impl_->entries.size(); ++i) {
      const int id = static_cast<int>(i);
      if (id == spec || impl_->entries[i].layout_of == spec) impl_->learn_few_rows(id, *weights, *this);
    }
    return weights;
  });
}

// Runs one row on the primitive and asks which order of sums gives its bits.
void DenseLibrary::Impl::learn_few_rows(int id, const BlockedWeights& weights, const DenseLibrary& library) {
  Entry& entry = entries[static_cast<std::size_t>(id)];
  const DenseSpec& spec = entry.spec;
  if (entry.few_rows.known || spec.weights == DType::i8) return;
  std::minstd_rand random(1);
  const auto floats = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(random() % 20001) / 10000.0F - 1.0F;
    return values;
  };
  std::vector<float> x = floats(spec.in);
  const std::vector<float> bias = floats(spec.out), other = floats(spec.out), dst = floats(spec.out);
  std::vector<float> expected = dst;
  DenseExecutor(library).run(id, weights, bias.data(), 1, x.data(), expected.data(), other.data());
  std::vector<std::uint16_t> narrow(x.size());
  round_to_bf16(x.data(), spec.in, narrow.data());
  const void* source = spec.weights == DType::bf16 ? static_cast<const void*>(narrow.data()) : x.data();
  entry.few_rows =
      find_few_rows_order(engine, spec, weights.matrix(), bias.data(), source, dst, other.data(), expected);
}

const std::string& DenseLibrary::implementation(int spec) const {
  return impl_->entries[static_cast<std::size_t>(spec)].product.implementation;
}

DType DenseLibrary::weights(int spec) const {
  return impl_->entries[static_cast<std::size_t>(spec)].spec.weights;
}

bool DenseLibrary::prefers(DType weights, std::int64_t in, std::int64_t out) const {
  // One answer for the process, so that all models of a process agree.
  static std::mutex mutex;
  static std::map<DenseShape, bool> answers;
  const std::lock_guard lock(mutex);
  const DenseShape shape{weights, std::clamp(in, kSmallestTrial, kLargestTrial),
                         std::clamp(out, kSmallestTrial, kLargestTrial)};
  const auto found = answers.find(shape);
  if (found != answers.end()) return found->second;
  return answers[shape] = try_out(impl_->engine, shape);
}

struct DenseExecutor::Impl {
  // A primitive for one number of rows, and the memory objects that its arguments are set in.
  struct Prepared {
    dnnl::primitive primitive;
    dnnl::memory source, bias, destination, other, scratchpad;
    std::string implementation;
    // Kept, because oneDNN makes a new object of every descriptor that it is asked for.
    std::size_t source_bytes = 0, destination_bytes = 0, scratchpad_bytes = 0;
  };
  // Memory that grows to the largest request.
  class Buffer {
   public:
    std::byte* at_least(std::size_t bytes) {
      if (!memory_ || memory_->size_bytes() < bytes)
        memory_.emplace(DType::u8, Shape{static_cast<std::int64_t>(std::max<std::size_t>(bytes, 64))});
      return memory_->bytes();
    }

   private:
    std::optional<Tensor> memory_;
  };

  const DenseLibrary::Impl* library;
  dnnl::stream stream;
  std::vector<std::map<std::int64_t, Prepared>> prepared;  // per spec, by bucket
  std::vector<std::unique_ptr<FewRowsProduct>> few_rows;   // per spec, null where oneDNN does it
  Buffer scratchpad, narrow, row_scales, sums;

  explicit Impl(const DenseLibrary::Impl* lib)
      : library(lib), stream(lib->engine), prepared(lib->entries.size()), few_rows(lib->entries.size()) {
    for (std::size_t i = 0; i < few_rows.size(); ++i) {
      const DenseLibrary::Impl::Entry& entry = lib->entries[i];
      if (entry.few_rows.chunk != 0)
        few_rows[i] = std::make_unique<FewRowsProduct>(lib->engine, entry.spec, entry.few_rows.chunk);
    }
  }

  void run(int id, const BlockedWeights& weights, const float* bias, std::int64_t rows, const float* src,
           float* dst, const float* other);
  void run_integer(const DenseLibrary::Impl::Entry& entry, Prepared& product, const BlockedWeights& weights,
                   const float* bias, std::int64_t rows, const float* src, float* dst, const float* other);
  void execute(const DenseSpec& spec, Prepared& product, const BlockedWeights& weights, const float* bias,
               const float* other);
  Prepared& get(int spec_id, std::int64_t rows);
  std::int64_t rows_at_once(int spec, std::int64_t rows) const;
  bool few(int spec, std::int64_t rows) const {
    return rows <= kFewRows && few_rows[static_cast<std::size_t>(spec)] != nullptr;
  }
};

DenseExecutor::DenseExecutor(const DenseLibrary& library)
    : impl_(std::make_unique<Impl>(library.impl_.get())) {}
DenseExecutor::~DenseExecutor() = default;

void DenseExecutor::run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows,
                        const float* src, float* dst, const float* other) {
  const DenseSpec& s = impl_->library->entries[static_cast<std::size_t>(spec)].spec;
  const std::int64_t step = impl_->rows_at_once(spec, rows);
  for (std::int64_t first = 0; first < rows; first += step) {
    impl_->run(spec, static_cast<const BlockedWeights&>(weights), bias, std::min(step, rows - first),
               src + first * s.in, dst + first * s.out, other == nullptr ? nullptr : other + first * s.out);
  }
}

const std::string& DenseExecutor::implementation(int spec, std::int64_t rows) const {
  static const std::string kNone = "none", kFew = "attend:few_rows";
  if (impl_->few(spec, rows)) return kFew;
  const auto& buckets = impl_->prepared[static_cast<std::size_t>(spec)];
  const auto found = buckets.find(bucket_rows(impl_->rows_at_once(spec, rows)));
  return found == buckets.end() ? kNone : found->second.implementation;
}

std::int64_t DenseExecutor::Impl::rows_at_once(int spec, std::int64_t rows) const {
  const DenseLibrary::Impl::Entry& entry = library->entries[static_cast<std::size_t>(spec)];
  const bool cut = entry.product.flavour == Flavour::inner_product && entry.spec.in > kExactInputs &&
                   entry.spec.weights == DType::f32;
  if (!cut) return std::max<std::int64_t>(rows, 1);
  const bool busy = entry.spec.out >= kBusyOutputs * omp_get_max_threads();
  return std::min(busy ? kExactRows : kExactRowsOfFewOutputs, rows);
}

DenseExecutor::Impl::Prepared& DenseExecutor::Impl::get(int spec_id, std::int64_t rows) {
  auto& buckets = prepared[static_cast<std::size_t>(spec_id)];
  const auto found = buckets.find(rows);
  if (found != buckets.end()) return found->second;
  const DenseLibrary::Impl::Entry& entry = library->entries[static_cast<std::size_t>(spec_id)];
  return rethrow_as_error(entry.spec, [&]() -> Prepared& {
    const ProductPrimitive p =
        make_product(library->engine, entry.spec, rows, entry.product.flavour, &entry.product.weights);
    const auto memory = [&](const dnnl::memory::desc& desc) {
      return dnnl::memory(desc, library->engine, nullptr);
    };
    return buckets
        .emplace(rows, Prepared{p.primitive, memory(p.source), memory(p.bias), memory(p.destination),
                                memory(p.destination), memory(p.scratchpad), p.implementation,
                                p.source.get_size(), p.destination.get_size(), p.scratchpad.get_size()})
        .first->second;
  });
}

void DenseExecutor::Impl::run(int id, const BlockedWeights& weights, const float* bias, std::int64_t rows,
                              const float* src, float* dst, const float* other) {
  const DenseLibrary::Impl::Entry& entry = library->entries[static_cast<std::size_t>(id)];
  const DenseSpec& spec = entry.spec;
  Prepared* product = few(id, rows) ? nullptr : &get(id, bucket_rows(rows));
  if (spec.weights == DType::i8) return run_integer(entry, *product, weights, bias, rows, src, dst, other);
  const void* source = src;
  if (spec.weights == DType::bf16) {
    std::byte* rounded = narrow.at_least(static_cast<std::size_t>(bucket_rows(rows) * spec.in) * 2);
    round_to_bf16(src, rows * spec.in, reinterpret_cast<std::uint16_t*>(rounded));
    source = rounded;
  }
  if (product == nullptr) {
    few_rows[static_cast<std::size_t>(id)]->run(weights.matrix(), bias, rows, source, dst, other);
    return;
  }
  product->source.set_data_handle(const_cast<void*>(source));
  product->destination.set_data_handle(dst);
  execute(spec, *product, weights, bias, other);
}

void DenseExecutor::Impl::run_integer(const DenseLibrary::Impl::Entry& entry, Prepared& product,
                                      const BlockedWeights& weights, const float* bias, std::int64_t rows,
                                      const float* src, float* dst, const float* other) {
  const DenseSpec& spec = entry.spec;
  const int levels = source_levels(entry.product.implementation);
  auto* quantized = reinterpret_cast<std::uint8_t*>(narrow.at_least(product.source_bytes));
  auto* scales =
      reinterpret_cast<float*>(row_scales.at_least(static_cast<std::size_t>(rows) * sizeof(float)));
  quantize_rows(src, rows, spec.in, levels, quantized, scales);
  // The sums take the destination's place, unless what is there is still needed.
  void* integers = dst;
  if (spec.combine == DenseSpec::add) integers = sums.at_least(product.destination_bytes);
  product.source.set_data_handle(quantized);
  product.destination.set_data_handle(integers);
  execute(spec, product, weights, nullptr, nullptr);
  const Dequantization how{.row_scales = scales,
                           .weight_scales = weights.scales(),
                           .weight_sums = weights.sums(),
                           .bias = spec.bias ? bias : nullptr,
                           .zero = levels + 1,
                           .act = spec.act,
                           .combine = spec.combine,
                           .other = other};
  dequantize_rows(integers, rows, spec.out, how, dst);
}

void DenseExecutor::Impl::execute(const DenseSpec& spec, Prepared& product, const BlockedWeights& weights,
                                  const float* bias, const float* other) {
  product.scratchpad.set_data_handle(scratchpad.at_least(product.scratchpad_bytes));
  std::array<dnnl_exec_arg_t, 6> args{};
  int count = 0;
  const auto add = [&](int arg, const dnnl::memory& memory) {
    args[static_cast<std::size_t>(count++)] = {arg, memory.get(true)};
  };
  add(DNNL_ARG_SRC, product.source);
  add(DNNL_ARG_WEIGHTS, weights.memory());
  add(DNNL_ARG_DST, product.destination);
  add(DNNL_ARG_SCRATCHPAD, product.scratchpad);
  if (spec.bias && bias != nullptr) {
    product.bias.set_data_handle(const_cast<float*>(bias));
    add(DNNL_ARG_BIAS, product.bias);
  }
  if (spec.combine == DenseSpec::multiply && other != nullptr) {
    product.other.set_data_handle(const_cast<float*>(other));
    add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(spec.act == Act::none ? 0 : 1) | DNNL_ARG_SRC_1, product.other);
  }
  const dnnl_status_t status =
      dnnl_primitive_execute(product.primitive.get(), stream.get(), count, args.data());
  if (status != dnnl_success) {
    throw Error("ONEDNN", "linear", "oneDNN status " + std::to_string(static_cast<int>(status)),
                ErrorCategory::internal);
  }
}

}  // namespace attend
