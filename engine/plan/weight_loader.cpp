#include "engine/plan/weight_loader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "attend/error.h"
#include "engine/in_parallel.h"
#include "engine/kernels/quantize.h"
#include "engine/model/quantized_weights.h"

namespace attend {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{1} << 22;
// What a thread reads at once of a table.
constexpr std::int64_t kTableBytes = std::int64_t{1} << 18;
struct Elements {};
struct Exact {};

float f16_to_f32(std::uint16_t half) {
  // Shift exponent and mantissa into place and let a multiplication by 2^112 rebias them: exact, denormals
  // too.
  const auto magnitude = static_cast<std::uint32_t>(half & 0x7FFFU);
  const auto sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  if (magnitude >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13);
  const float scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000U);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | sign);
}

template <typename T>
T load(const std::byte* src, std::int64_t index) {
  T value;
  std::memcpy(&value, src + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

}  // namespace

void convert_to_f32(DType dtype, const std::byte* src, std::int64_t count, float* dst) {
  switch (dtype) {
    case DType::f32: std::memcpy(dst, src, static_cast<std::size_t>(count) * sizeof(float)); return;
    case DType::f64:
      for (std::int64_t i = 0; i < count; ++i) dst[i] = static_cast<float>(load<double>(src, i));
      return;
    case DType::bf16:
      for (std::int64_t i = 0; i < count; ++i) {
        dst[i] = std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(src, i)) << 16);
      }
      return;
    case DType::f16:
      for (std::int64_t i = 0; i < count; ++i) dst[i] = f16_to_f32(load<std::uint16_t>(src, i));
      return;
    default: throw internal_error("convert_to_f32", "no conversion from " + std::string(name(dtype)));
  }
}

void EmbeddingTable::gather(std::int64_t row, float scale, float* dst) const {
  if (packed_ != nullptr) {
    packed_->gather_row(row, scale, dst);
    return;
  }
  const std::int64_t dim = rows_.shape()[1];
  if (rows_.dtype() == DType::i8) {
    const auto* q = reinterpret_cast<const std::int8_t*>(rows_.bytes()) + row * dim;
    scale *= scales_[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < dim; ++i) dst[i] = static_cast<float>(q[i]) * scale;
    return;
  }
  convert_to_f32(rows_.dtype(),
                 rows_.bytes() + row * dim * static_cast<std::int64_t>(size_bytes(rows_.dtype())), dim, dst);
  if (scale != 1.0F) {
    for (std::int64_t i = 0; i < dim; ++i) dst[i] *= scale;
  }
}

WeightLoader::WeightLoader(const WeightStore& store, DenseLibrary& library, Precision precision,
                           std::function<void(double)> progress)
    : store_(store), library_(library), precision_(precision), progress_(std::move(progress)) {
  for (const TensorInfo* tensor : store.tensors()) total_bytes_ += tensor->size_bytes();
}

const TensorInfo& WeightLoader::info(const WeightRef& ref) const {
  const TensorInfo* tensor = store_.find(ref.tensor);
  if (tensor == nullptr || tensor->shape != ref.shape) {
    throw Error("MODEL_TENSOR_MISSING", ref.tensor,
                "tensor " + ref.tensor + " of shape " + ref.shape.str() + " is missing");
  }
  return *tensor;
}

void WeightLoader::note_linear(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    const auto* linear = std::get_if<Linear>(&node.op);
    if (linear == nullptr) continue;
    const WeightRef* weight = node.weight("weight");
    if (weight->transposed || weight->rows != 0) continue;
    const bool bias = node.weight("bias") != nullptr;
    output_matrices_.emplace(weight->tensor, DenseSpec{weight->shape[1], linear->out, bias, linear->act});
  }
}

void WeightLoader::read_stored(const TensorInfo& tensor, std::int64_t first, std::int64_t count,
                               std::byte* dst) {
  const auto width = static_cast<std::int64_t>(size_bytes(tensor.dtype));
  const auto bytes = static_cast<std::size_t>(count * width);
  store_.read(tensor, static_cast<std::uint64_t>(first * width), {dst, bytes});
  const std::lock_guard lock(mutex_);
  read_bytes_ += bytes;
  if (progress_ && total_bytes_ > 0)
    progress_(std::min(1.0, static_cast<double>(read_bytes_) / static_cast<double>(total_bytes_)));
}

void WeightLoader::read_floats(const TensorInfo& tensor, std::int64_t first, std::int64_t count, float* dst) {
  if (tensor.dtype == DType::f32) {
    read_stored(tensor, first, count, reinterpret_cast<std::byte*>(dst));
    return;
  }
  const auto width = static_cast<std::int64_t>(size_bytes(tensor.dtype));
  std::vector<std::byte> staging(static_cast<std::size_t>(std::min(count * width, kChunkBytes)));
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t part = std::min(count - done, kChunkBytes / width);
    read_stored(tensor, first + done, part, staging.data());
    convert_to_f32(tensor.dtype, staging.data(), part, dst + done);
    done += part;
  }
}

// Rows [first, first + count) of one tensor among the rows of a product. What is stored in the precision of
// the product is copied, the rest goes through f32.
class WeightLoader::Part {
 public:
  Part(WeightLoader& loader, const WeightRef& ref, std::int64_t in, std::int64_t begin)
      : loader_(loader),
        tensor_(loader.info(ref)),
        in_(in),
        begin_(begin),
        rows_(ref.rows != 0 ? ref.rows : ref.shape[ref.transposed ? 1 : 0]),
        stored_row_(ref.row_begin),
        stored_rows_(ref.shape[ref.transposed ? 1 : 0]) {
    if (tensor_.dtype == DType::i8) scales_ = read_scales(loader.store_, tensor_);
    if (!ref.transposed) return;
    // Stored [in, out]: any rows need all of it.
    whole_.resize(static_cast<std::size_t>(tensor_.size_bytes()));
    loader.read_stored(tensor_, 0, tensor_.shape.elements(), whole_.data());
  }

  std::int64_t end() const { return begin_ + rows_; }

  // Those of rows [first, first + wanted) of the product that are this part's.
  void read(std::int64_t first, std::int64_t wanted, DType dtype, std::byte* dst, float* scales) const {
    const std::int64_t from = std::max(first, begin_);
    const std::int64_t rows = std::min(first + wanted, end()) - from;
    if (rows <= 0) return;
    dst += (from - first) * in_ * static_cast<std::int64_t>(size_bytes(dtype));
    if (scales != nullptr) scales += from - first;
    const std::int64_t stored = stored_row_ + (from - begin_);
    if (tensor_.dtype == dtype) {
      read_elements(stored, rows, dst);
      if (dtype == DType::i8) std::copy_n(scales_.begin() + stored, rows, scales);
      return;
    }
    const auto count = static_cast<std::size_t>(rows * in_);
    std::byte* elements = thread_scratch<Elements>(count * size_bytes(tensor_.dtype));
    read_elements(stored, rows, elements);
    auto* exact =
        reinterpret_cast<float*>(tensor_.dtype == DType::f32 ? elements
                                 : dtype == DType::f32       ? dst
                                                             : thread_scratch<Exact>(count * sizeof(float)));
    if (tensor_.dtype == DType::i8) {
      const auto* q = reinterpret_cast<const std::int8_t*>(elements);
      for (std::int64_t i = 0; i < rows * in_; ++i)
        exact[i] = static_cast<float>(q[i]) * scales_[static_cast<std::size_t>(stored + i / in_)];
    } else if (tensor_.dtype != DType::f32) {
      convert_to_f32(tensor_.dtype, elements, rows * in_, exact);
    }
    if (dtype != DType::f32) convert_weights(dtype, exact, rows, in_, dst, scales);
  }

 private:
  void read_elements(std::int64_t row, std::int64_t rows, std::byte* dst) const {
    if (whole_.empty()) {
      loader_.read_stored(tensor_, row * in_, rows * in_, dst);
      return;
    }
    switch (size_bytes(tensor_.dtype)) {
      case 1: transpose<std::uint8_t>(row, rows, dst); return;
      case 2: transpose<std::uint16_t>(row, rows, dst); return;
      case 4: transpose<std::uint32_t>(row, rows, dst); return;
      default: transpose<std::uint64_t>(row, rows, dst);
    }
  }

  template <typename Bits>
  void transpose(std::int64_t row, std::int64_t rows, std::byte* dst) const {
    const auto* from = reinterpret_cast<const Bits*>(whole_.data()) + row;
    auto* to = reinterpret_cast<Bits*>(dst);
    for (std::int64_t i = 0; i < in_; ++i) {
      for (std::int64_t r = 0; r < rows; ++r) to[r * in_ + i] = from[i * stored_rows_ + r];
    }
  }

  WeightLoader& loader_;
  const TensorInfo& tensor_;
  std::int64_t in_, begin_, rows_, stored_row_, stored_rows_;
  std::vector<float> scales_;
  std::vector<std::byte> whole_;
};

std::shared_ptr<const PackedWeights> WeightLoader::pack(int spec, const std::vector<const WeightRef*>& parts,
                                                        std::int64_t in) {
  // One layout per spec: what computes with the same spec shares the matrix.
  std::string key = std::to_string(spec);
  for (const WeightRef* part : parts) {
    key += "|" + part->tensor + "@" + std::to_string(part->row_begin) + "+" + std::to_string(part->rows) +
           (part->transposed ? "t" : "");
  }
  std::shared_ptr<const PackedWeights>& packed = packed_[key];
  if (packed != nullptr) return packed;
  std::vector<Part> rows;
  rows.reserve(parts.size());
  for (const WeightRef* part : parts)
    rows.emplace_back(*this, *part, in, rows.empty() ? 0 : rows.back().end());
  const DType dtype = library_.weights(spec);
  packed = library_.pack(spec, [&](std::int64_t first, std::int64_t count, std::byte* dst, float* scales) {
    for (const Part& part : rows) part.read(first, count, dtype, dst, scales);
  });
  packed_bytes_ += packed->size_bytes();
  matrix_bytes_[library_.weights(spec)] += packed->size_bytes();
  return packed;
}

DType WeightLoader::precision_of(const std::vector<const WeightRef*>& parts, std::int64_t in,
                                 std::int64_t out) {
  bool narrow = precision_ == Precision::bf16;
  if (precision_ == Precision::automatic) {
    narrow = std::all_of(parts.begin(), parts.end(),
                         [&](const WeightRef* part) { return info(*part).dtype == DType::bf16; });
  }
  if (narrow && library_.prefers(DType::bf16, in, out)) return DType::bf16;
  if (precision_ == Precision::int8 && library_.prefers(DType::i8, in, out)) return DType::i8;
  return DType::f32;
}

DenseLayer WeightLoader::dense(const Node& node, const std::vector<std::string>& roles, std::int64_t in,
                               Act act, DenseSpec::Combine combine) {
  std::vector<const WeightRef*> parts;
  DenseLayer layer;
  std::int64_t out = 0;
  for (const std::string& role : roles) {
    const std::string prefix = role.empty() ? "" : role + ".";
    const WeightRef* weight = node.weight(prefix + "weight");
    parts.push_back(weight);
    out += weight->rows != 0 ? weight->rows : weight->shape[weight->transposed ? 1 : 0];
    if (node.weight(prefix + "bias") == nullptr) continue;
    const std::vector<float> part = vector(node, prefix + "bias");
    layer.bias.insert(layer.bias.end(), part.begin(), part.end());
  }
  const bool bias = !layer.bias.empty();
  if (bias && static_cast<std::int64_t>(layer.bias.size()) != out)
    layer.bias.resize(static_cast<std::size_t>(out));
  const DType precision = precision_of(parts, in, out);
  layer.spec = library_.add({in, out, bias, act, combine, precision});
  if (combine == DenseSpec::none && act == Act::none) {
    layer.spec_add = library_.add({in, out, bias, act, DenseSpec::add, precision}, layer.spec);
  }
  layer.weights = pack(layer.spec, parts, in);
  return layer;
}

void WeightLoader::hand_over(DenseLayer& first, DenseLayer& second) {
  if (library_.weights(first.spec) != DType::bf16 || library_.weights(second.spec) != DType::bf16) return;
  const auto variant = [&](int& id, DType DenseSpec::*rows) {
    if (id < 0) return;
    DenseSpec spec = library_.spec(id);
    spec.*rows = DType::bf16;
    id = library_.add(spec, id);
  };
  variant(first.spec, &DenseSpec::destination);
  first.spec_add = -1;
  variant(second.spec, &DenseSpec::source);
  variant(second.spec_add, &DenseSpec::source);
}

std::vector<float> WeightLoader::vector(const Node& node, std::string_view role, float offset) {
  const WeightRef* ref = node.weight(role);
  const TensorInfo& tensor = info(*ref);
  const std::int64_t count = ref->rows != 0 ? ref->rows : tensor.shape.elements();
  std::vector<float> values(static_cast<std::size_t>(count));
  read_floats(tensor, ref->row_begin, count, values.data());
  for (float& value : values) value += offset;
  packed_bytes_ += values.size() * sizeof(float);
  return values;
}

std::shared_ptr<const std::vector<float>> WeightLoader::computed(
    const std::string& key, const std::function<std::vector<float>()>& make) {
  std::shared_ptr<const std::vector<float>>& values = computed_[key];
  if (values == nullptr) values = std::make_shared<const std::vector<float>>(make());
  return values;
}

EmbeddingTable WeightLoader::embedding(const Node& node) {
  const WeightRef* ref = node.weight("weight");
  const TensorInfo& tensor = info(*ref);
  const auto matrix = output_matrices_.find(ref->tensor);
  if (matrix != output_matrices_.end()) {
    DenseSpec spec = matrix->second;
    spec.weights = precision_of({ref}, spec.in, spec.out);
    return EmbeddingTable(pack(library_.add(spec), {ref}, spec.in));
  }
  const bool large = tensor.shape.elements() >= kSmallTable;
  if (tensor.dtype == DType::i8 || (precision_ == Precision::int8 && large)) return quantized_table(tensor);
  Tensor rows(tensor.dtype, tensor.shape);
  const std::int64_t count = tensor.shape.elements();
  const auto width = static_cast<std::int64_t>(size_bytes(tensor.dtype));
  in_parallel(count, kTableBytes / width, [&](std::int64_t first, std::int64_t part) {
    read_stored(tensor, first, part, rows.bytes() + first * width);
  });
  packed_bytes_ += rows.size_bytes();
  return EmbeddingTable(std::move(rows));
}

EmbeddingTable WeightLoader::quantized_table(const TensorInfo& tensor) {
  const std::int64_t dim = tensor.shape[1];
  Tensor rows(DType::i8, tensor.shape);
  std::vector<float> scales(static_cast<std::size_t>(tensor.shape[0]));
  if (tensor.dtype == DType::i8) scales = read_scales(store_, tensor);
  const std::int64_t step = std::max<std::int64_t>(1, kTableBytes / dim);
  in_parallel(tensor.shape[0], step, [&](std::int64_t first, std::int64_t count) {
    std::byte* dst = rows.bytes() + first * dim;
    if (tensor.dtype == DType::i8) {
      read_stored(tensor, first * dim, count * dim, dst);
      return;
    }
    std::vector<float> exact(static_cast<std::size_t>(count * dim));
    read_floats(tensor, first * dim, count * dim, exact.data());
    quantize_weights(exact.data(), count, dim, reinterpret_cast<std::int8_t*>(dst), scales.data() + first);
  });
  packed_bytes_ += rows.size_bytes() + scales.size() * sizeof(float);
  return EmbeddingTable(std::move(rows), std::move(scales));
}

}  // namespace attend
