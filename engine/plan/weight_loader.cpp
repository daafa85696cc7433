#include "engine/plan/weight_loader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "attend/error.h"
#include "engine/kernels/quantize.h"

namespace attend {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{1} << 22;
// Smaller embeddings (positions, token types) stay as they are stored: nothing is gained by rounding them.
constexpr std::int64_t kQuantizedTable = std::int64_t{1} << 20;

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

void WeightLoader::read_floats(const TensorInfo& tensor, std::int64_t first, std::int64_t count, float* dst) {
  const auto width = static_cast<std::int64_t>(size_bytes(tensor.dtype));
  if (tensor.dtype == DType::f32) {
    store_.read(tensor, static_cast<std::uint64_t>(first * width),
                {reinterpret_cast<std::byte*>(dst), static_cast<std::size_t>(count * width)});
  } else {
    std::vector<std::byte> staging(static_cast<std::size_t>(std::min(count * width, kChunkBytes)));
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t part = std::min(count - done, kChunkBytes / width);
      const std::span<std::byte> bytes(staging.data(), static_cast<std::size_t>(part * width));
      store_.read(tensor, static_cast<std::uint64_t>((first + done) * width), bytes);
      convert_to_f32(tensor.dtype, staging.data(), part, dst + done);
      done += part;
    }
  }
  read_bytes_ += static_cast<std::uint64_t>(count * width);
  if (progress_ && total_bytes_ > 0) {
    progress_(std::min(1.0, static_cast<double>(read_bytes_) / static_cast<double>(total_bytes_)));
  }
}

void WeightLoader::read_rows(const WeightRef& ref, std::int64_t first, std::int64_t rows, float* dst) {
  const TensorInfo& tensor = info(ref);
  const std::int64_t row = ref.row_begin + first;
  if (!ref.transposed) {
    const std::int64_t width = tensor.shape.elements() / tensor.shape[0];
    read_floats(tensor, row * width, rows * width, dst);
    return;
  }
  // Stored [in, out]: every input's run of the wanted outputs, written down a column.
  const std::int64_t in = ref.shape[0];
  const std::int64_t out = ref.shape[1];
  std::vector<float> whole(static_cast<std::size_t>(in * out));
  read_floats(tensor, 0, in * out, whole.data());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < in; ++i)
      dst[r * in + i] = whole[static_cast<std::size_t>(i * out + row + r)];
  }
}

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
  packed = library_.pack(spec, [&](std::int64_t first, std::int64_t count, float* dst) {
    std::int64_t begin = 0;
    for (const WeightRef* part : parts) {
      const std::int64_t rows = part->rows != 0 ? part->rows : part->shape[part->transposed ? 1 : 0];
      const std::int64_t from = std::max(first, begin);
      const std::int64_t to = std::min(first + count, begin + rows);
      if (from < to) read_rows(*part, from - begin, to - from, dst + (from - first) * in);
      begin += rows;
    }
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

EmbeddingTable WeightLoader::embedding(const Node& node) {
  const WeightRef* ref = node.weight("weight");
  const TensorInfo& tensor = info(*ref);
  const auto matrix = output_matrices_.find(ref->tensor);
  if (matrix != output_matrices_.end()) {
    DenseSpec spec = matrix->second;
    spec.weights = precision_of({ref}, spec.in, spec.out);
    return EmbeddingTable(pack(library_.add(spec), {ref}, spec.in));
  }
  if (precision_ == Precision::int8 && tensor.shape.elements() >= kQuantizedTable) {
    const std::int64_t dim = tensor.shape[1];
    Tensor rows(DType::i8, tensor.shape);
    std::vector<float> scales(static_cast<std::size_t>(tensor.shape[0]));
    std::vector<std::int32_t> sums(scales.size());
    const std::int64_t step = std::max<std::int64_t>(1, kChunkBytes / 4 / dim);
    std::vector<float> staging(static_cast<std::size_t>(step * dim));
    for (std::int64_t first = 0; first < tensor.shape[0]; first += step) {
      const std::int64_t count = std::min(step, tensor.shape[0] - first);
      read_floats(tensor, first * dim, count * dim, staging.data());
      quantize_weights(staging.data(), count, dim, reinterpret_cast<std::int8_t*>(rows.bytes()) + first * dim,
                       scales.data() + first, sums.data() + first);
    }
    packed_bytes_ += rows.size_bytes() + scales.size() * sizeof(float);
    return EmbeddingTable(std::move(rows), std::move(scales));
  }
  Tensor rows(tensor.dtype, tensor.shape);
  store_.read(tensor, 0, {rows.bytes(), rows.size_bytes()});
  read_bytes_ += rows.size_bytes();
  packed_bytes_ += rows.size_bytes();
  return EmbeddingTable(std::move(rows));
}

}  // namespace attend
