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
#include <tuple>
#include <utility>

#include "attend/error.h"
#include "attend/tensor.h"
#include "engine/kernels/product.h"
#include "engine/kernels/quantize.h"
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
double trial_seconds(const DenseSpec& spec) {
  DenseLibrary library;
  const int id = library.add(spec);
  const auto fill = [&](std::int64_t, std::int64_t rows, float* dst) {
    std::fill_n(dst, rows * spec.in, 0.5F);
  };
  const auto weights = library.pack(id, converted_rows(spec.weights, spec.in, fill));
  std::vector<float> src(static_cast<std::size_t>(kTrialRows * spec.in), 0.5F);
  std::vector<float> dst(static_cast<std::size_t>(kTrialRows * spec.out));
  DenseExecutor executor(library);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kTrialRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    executor.run(id, *weights, nullptr, kTrialRows, src.data(), dst.data());
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
      if (trial_seconds(spec) * kWorthwhile < trial_seconds(wide)) return true;
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
    Entry(const DenseSpec& s, ProductPrimitive p) : spec(s), product(std::move(p)) {
      // Matrix units (AMX) are oneDNN's to use.
      const bool units = product.implementation.find("amx") != std::string::npos;
      const char* kernel = units ? nullptr : product_kernel(describe_matrix(product, spec));
      own = kernel != nullptr;
      implementation = own ? kernel : product.implementation;
    }

    DenseSpec spec;
    ProductPrimitive product;
    bool own = false;  // whether attend's own kernel computes it, for any number of rows
    std::string implementation;
  };

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
    if (layout_of < 0) return Impl::Entry(spec, choose_product(impl_->engine, spec));
    const ProductPrimitive& base = entries[static_cast<std::size_t>(layout_of)].product;
    return Impl::Entry(spec, make_product(impl_->engine, spec, kLayoutRows, base.flavour, &base.weights));
  }));
  return static_cast<int>(entries.size()) - 1;
}

std::shared_ptr<const PackedWeights> DenseLibrary::pack(int spec, const RowSource& source) {
  const Impl::Entry& entry = impl_->entries[static_cast<std::size_t>(spec)];
  return rethrow_as_error(entry.spec, [&] {
    return std::make_shared<const BlockedWeights>(impl_->engine, impl_->memory, entry.product, entry.spec,
                                                  source);
  });
}

const std::string& DenseLibrary::implementation(int spec) const {
  return impl_->entries[static_cast<std::size_t>(spec)].implementation;
}

const DenseSpec& DenseLibrary::spec(int spec) const {
  return impl_->entries[static_cast<std::size_t>(spec)].spec;
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
    std::size_t destination_bytes = 0, scratchpad_bytes = 0;
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
  Buffer scratchpad, narrow, row_scales, sums;

  explicit Impl(const DenseLibrary::Impl* lib)
      : library(lib), stream(lib->engine), prepared(lib->entries.size()) {}

  void run(int id, const BlockedWeights& weights, const float* bias, std::int64_t rows, const void* src,
           void* dst, const float* other);
  // The source in the precision of the weights; of 8 bits, with its scales.
  const void* narrowed(const DenseLibrary::Impl::Entry& entry, std::int64_t rows, const void* src,
                       Epilogue& how);
  void run_primitive(int id, const BlockedWeights& weights, std::int64_t rows, const void* source,
                     const Epilogue& how, void* dst);
  void execute(const DenseSpec& spec, Prepared& product, const BlockedWeights& weights, const Epilogue& how);
  Prepared& get(int spec_id, std::int64_t rows);
  std::int64_t rows_at_once(int spec, std::int64_t rows) const;
};

DenseExecutor::DenseExecutor(const DenseLibrary& library)
    : impl_(std::make_unique<Impl>(library.impl_.get())) {}
DenseExecutor::~DenseExecutor() = default;

void DenseExecutor::run(int spec, const PackedWeights& weights, const float* bias, std::int64_t rows,
                        const void* src, void* dst, const float* other) {
  const DenseSpec& s = impl_->library->entries[static_cast<std::size_t>(spec)].spec;
  const std::int64_t step = impl_->rows_at_once(spec, rows);
  const std::size_t src_bytes = static_cast<std::size_t>(s.in) * size_bytes(s.source);
  const std::size_t dst_bytes = static_cast<std::size_t>(s.out) * size_bytes(s.destination);
  for (std::int64_t first = 0; first < rows; first += step) {
    const auto at = static_cast<std::size_t>(first);
    impl_->run(spec, static_cast<const BlockedWeights&>(weights), bias, std::min(step, rows - first),
               static_cast<const std::byte*>(src) + at * src_bytes,
               static_cast<std::byte*>(dst) + at * dst_bytes,
               other == nullptr ? nullptr : other + first * s.out);
  }
}

const std::string& DenseExecutor::implementation(int spec, std::int64_t rows) const {
  static const std::string kNone = "none";
  const DenseLibrary::Impl::Entry& entry = impl_->library->entries[static_cast<std::size_t>(spec)];
  if (entry.own) return entry.implementation;
  const auto& buckets = impl_->prepared[static_cast<std::size_t>(spec)];
  const auto found = buckets.find(bucket_rows(impl_->rows_at_once(spec, rows)));
  return found == buckets.end() ? kNone : found->second.implementation;
}

std::int64_t DenseExecutor::Impl::rows_at_once(int spec, std::int64_t rows) const {
  const DenseLibrary::Impl::Entry& entry = library->entries[static_cast<std::size_t>(spec)];
  const bool cut = !entry.own && entry.product.flavour == Flavour::inner_product &&
                   entry.spec.in > kExactInputs && entry.spec.weights == DType::f32;
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
        .emplace(rows, Prepared{dnnl::primitive(p.description), memory(p.source), memory(p.bias),
                                memory(p.destination), memory(p.other), memory(p.scratchpad),
                                p.implementation, p.destination.get_size(), p.scratchpad.get_size()})
        .first->second;
  });
}

void DenseExecutor::Impl::run(int id, const BlockedWeights& weights, const float* bias, std::int64_t rows,
                              const void* src, void* dst, const float* other) {
  const DenseLibrary::Impl::Entry& entry = library->entries[static_cast<std::size_t>(id)];
  Epilogue how{.bias = entry.spec.bias ? bias : nullptr,
               .act = entry.spec.act,
               .combine = entry.spec.combine,
               .other = other,
               .destination = entry.spec.destination};
  if (entry.spec.weights == DType::i8) {
    how.weight_scales = weights.scales();
    how.weight_sums = weights.sums();
  }
  const void* source = narrowed(entry, rows, src, how);
  if (entry.own) {
    multiply(weights.matrix(), source, rows, how, dst);
  } else {
    run_primitive(id, weights, rows, source, how, dst);
  }
}

const void* DenseExecutor::Impl::narrowed(const DenseLibrary::Impl::Entry& entry, std::int64_t rows,
                                          const void* src, Epilogue& how) {
  const DenseSpec& spec = entry.spec;
  if (spec.weights == spec.source) return src;
  const auto* exact = static_cast<const float*>(src);
  // Primitives read whole buckets.
  std::byte* to =
      narrow.at_least(static_cast<std::size_t>(bucket_rows(rows) * spec.in) * size_bytes(spec.weights));
  if (spec.weights == DType::bf16) {
    round_to_bf16(exact, rows * spec.in, reinterpret_cast<std::uint16_t*>(to));
    return to;
  }
  const int levels = source_levels(entry.implementation);
  auto* scales =
      reinterpret_cast<float*>(row_scales.at_least(static_cast<std::size_t>(rows) * sizeof(float)));
  quantize_rows(exact, rows, spec.in, levels, reinterpret_cast<std::uint8_t*>(to), scales);
  how.row_scales = scales;
  how.zero = levels + 1;
  return to;
}

void DenseExecutor::Impl::run_primitive(int id, const BlockedWeights& weights, std::int64_t rows,
                                        const void* source, const Epilogue& how, void* dst) {
  const DenseSpec& spec = library->entries[static_cast<std::size_t>(id)].spec;
  const bool integer = spec.weights == DType::i8;
  Prepared& product = get(id, bucket_rows(rows));
  // Integer sums take the destination's place, unless what is there is still needed.
  void* to = dst;
  if (integer && spec.combine == DenseSpec::add) to = sums.at_least(product.destination_bytes);
  product.source.set_data_handle(const_cast<void*>(source));
  product.destination.set_data_handle(to);
  execute(spec, product, weights, integer ? Epilogue() : how);
  if (integer) dequantize_rows(to, rows, spec.out, how, static_cast<float*>(dst));
}

void DenseExecutor::Impl::execute(const DenseSpec& spec, Prepared& product, const BlockedWeights& weights,
                                  const Epilogue& how) {
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
  if (how.bias != nullptr) {
    product.bias.set_data_handle(const_cast<float*>(how.bias));
    add(DNNL_ARG_BIAS, product.bias);
  }
  if (spec.combine == DenseSpec::multiply && how.other != nullptr) {
    product.other.set_data_handle(const_cast<float*>(how.other));
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
