#include "loaders/files/stored_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

void swap_elements(std::span<std::byte> bytes, std::size_t element_bytes) {
  for (std::size_t i = 0; i + element_bytes <= bytes.size(); i += element_bytes) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + element_bytes));
  }
}

}  // namespace

StoredTensors::StoredTensors(std::string prefix, std::vector<File> files, std::vector<StoredTensor> tensors,
                             std::map<std::string, std::string> metadata)
    : changed_kind_(std::move(prefix) + "_FILE_CHANGED"),
      files_(std::move(files)),
      tensors_(std::move(tensors)),
      metadata_(std::move(metadata)) {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.info.name < b.info.name; });
}

const StoredTensor* StoredTensors::lookup(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor& tensor, std::string_view wanted) { return tensor.info.name < wanted; });
  return found != tensors_.end() && found->info.name == name ? &*found : nullptr;
}

const TensorInfo* StoredTensors::find(std::string_view name) const {
  const StoredTensor* tensor = lookup(name);
  return tensor ? &tensor->info : nullptr;
}

bool StoredTensors::same_place(const TensorInfo& a, const TensorInfo& b) const {
  const StoredTensor* left = lookup(a.name);
  const StoredTensor* right = lookup(b.name);
  return left != nullptr && right != nullptr && left->file == right->file && left->offset == right->offset &&
         left->strides == right->strides;
}

std::vector<const TensorInfo*> StoredTensors::tensors() const {
  std::vector<const TensorInfo*> out;
  out.reserve(tensors_.size());
  for (const StoredTensor& tensor : tensors_) out.push_back(&tensor.info);
  return out;
}

std::map<std::string, std::string> StoredTensors::aliases() const {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : metadata_) {
    if (!lookup(key) && lookup(value)) out.emplace(key, value);
  }
  return out;
}

void StoredTensors::read_file(const StoredTensor& tensor, std::uint64_t offset,
                              std::span<std::byte> dst) const {
  const File& file = files_[tensor.file];
  file.read(offset, dst, changed_kind_.c_str());
  file.check_size(changed_kind_.c_str());
}

void StoredTensors::read(const TensorInfo& info, std::uint64_t first_byte, std::span<std::byte> dst) const {
  const StoredTensor* tensor = lookup(info.name);
  if (!tensor) throw internal_error(info.name, "this tensor is not of this store");
  const std::uint64_t size = tensor->info.size_bytes();
  if (first_byte > size || dst.size() > size - first_byte) {
    throw internal_error(info.name, fmt::format("bytes [{}, {} + {}) of a tensor of {} bytes were asked for",
                                                first_byte, first_byte, dst.size(), size));
  }
  const std::size_t element_bytes = size_bytes(tensor->info.dtype);
  if (tensor->swapped && (first_byte % element_bytes != 0 || dst.size() % element_bytes != 0)) {
    throw internal_error(info.name, "a part of an element was asked for");
  }
  if (tensor->strides.empty()) {
    read_file(*tensor, tensor->offset + first_byte, dst);
  } else {
    gather(*tensor, first_byte, dst);
  }
  if (tensor->swapped) swap_elements(dst, element_bytes);
}

// Tensors saved as views (a transposed matrix): reads the region that holds the wanted elements once, then
// picks them in row-major order.
void StoredTensors::gather(const StoredTensor& tensor, std::uint64_t first_byte,
                           std::span<std::byte> dst) const {
  const std::size_t element_bytes = size_bytes(tensor.info.dtype);
  const int rank = tensor.info.shape.rank();
  if (dst.empty()) return;
  std::uint64_t extent = 1;  // elements from the first to the last of the view
  for (int axis = 0; axis < rank; ++axis) {
    extent += static_cast<std::uint64_t>((tensor.info.shape[axis] - 1) *
                                         tensor.strides[static_cast<std::size_t>(axis)]);
  }
  std::vector<std::byte> region(extent * element_bytes);
  read_file(tensor, tensor.offset, region);

  std::uint64_t element = first_byte / element_bytes;
  std::uint64_t skip = first_byte % element_bytes;
  std::size_t done = 0;
  while (done < dst.size()) {
    std::uint64_t rest = element;
    std::uint64_t source = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const auto dim = static_cast<std::uint64_t>(tensor.info.shape[axis]);
      source += rest % dim * static_cast<std::uint64_t>(tensor.strides[static_cast<std::size_t>(axis)]);
      rest /= dim;
    }
    const std::size_t count = std::min<std::size_t>(element_bytes - skip, dst.size() - done);
    std::memcpy(dst.data() + done, region.data() + source * element_bytes + skip, count);
    done += count;
    skip = 0;
    ++element;
  }
}

namespace {

// First element whose exponent is all ones, or -1. `mask` covers the exponent's bits.
template <typename Bits>
std::int64_t find_nonfinite(std::span<const std::byte> bytes, Bits mask) {
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i, sizeof(Bits));
    if ((bits & mask) == mask) return static_cast<std::int64_t>(i / sizeof(Bits));
  }
  return -1;
}

std::int64_t find_nonfinite(DType dtype, std::span<const std::byte> bytes) {
  switch (dtype) {
    case DType::f64: return find_nonfinite<std::uint64_t>(bytes, 0x7FF0000000000000U);
    case DType::f32: return find_nonfinite<std::uint32_t>(bytes, 0x7F800000U);
    case DType::f16: return find_nonfinite<std::uint16_t>(bytes, 0x7C00U);
    case DType::bf16: return find_nonfinite<std::uint16_t>(bytes, 0x7F80U);
    default: return -1;
  }
}

}  // namespace

void check_finite(const WeightStore& store) {
  constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
  std::vector<std::byte> chunk(kChunkBytes);
  std::vector<Issue> issues;
  for (const TensorInfo* tensor : store.tensors()) {
    if (!is_floating(tensor->dtype)) continue;
    const std::uint64_t size = tensor->size_bytes();
    for (std::uint64_t first = 0; first < size; first += kChunkBytes) {
      const std::span<std::byte> part(chunk.data(), std::min<std::uint64_t>(kChunkBytes, size - first));
      store.read(*tensor, first, part);
      const std::int64_t found = find_nonfinite(tensor->dtype, part);
      if (found < 0) continue;
      const std::uint64_t index = first / size_bytes(tensor->dtype) + static_cast<std::uint64_t>(found);
      issues.push_back(
          {"ST_NONFINITE", fmt::format("{}: {}[{}]", tensor->file, tensor->name, index),
           "expected finite weights, found NaN or infinity (index of the element in row-major order)"});
      break;
    }
  }
  if (!issues.empty()) throw Error(std::move(issues));
}

}  // namespace attend
