#include "tools/cli/npy_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"

namespace attend::cli {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::size_t kMagicBytes = 8;  // "\x93NUMPY", major and minor version

Error bad(const std::filesystem::path& path, const std::string& message) {
  return Error("NPY_FORMAT", path.string(), message);
}

std::string read_all(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw Error("INPUT_FILE", path.string(), "this file cannot be read");
  if (size > kMostBytes)
    throw bad(path, fmt::format("expected at most {} bytes, found {}", kMostBytes, size));
  return {std::istreambuf_iterator<char>(file), {}};
}

// The value behind 'KEY': in the header's dictionary.
std::string_view field(std::string_view header, std::string_view key, const std::filesystem::path& path) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) throw bad(path, fmt::format("its header has no '{}'", key));
  std::string_view rest = header.substr(at + key.size() + 3);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return rest;
}

std::vector<std::int64_t> parse_shape(std::string_view text, const std::filesystem::path& path) {
  std::vector<std::int64_t> dims;
  const std::size_t close = text.find(')');
  if (!text.starts_with('(') || close == std::string_view::npos) throw bad(path, "its header has no shape");
  text = text.substr(1, close - 1);
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    std::int64_t dim = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), dim);
    if (word.empty()) break;
    if (error != std::errc() || stop != word.data() + word.size() || dim < 0 ||
        dim > static_cast<std::int64_t>(kMostBytes) || dims.size() == Shape::kMaxRank)
      throw bad(path, fmt::format("its shape ({}) is not one", text));
    dims.push_back(dim);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return dims;
}

template <class Number>
std::vector<float> widen(std::string_view data, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    Number value{};
    std::memcpy(&value, data.data() + i * sizeof(Number), sizeof(Number));
    values[i] = static_cast<float>(value);
  }
  return values;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
  const std::string all = read_all(path);
  const std::string_view file = all;
  if (!file.starts_with("\x93NUMPY") || file.size() < kMagicBytes + 4)
    throw bad(path, "this is no .npy file: it does not begin with \\x93NUMPY");
  const std::size_t width = file[6] == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < width; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(file[kMagicBytes + i])) << (8 * i);
  const std::size_t begin = kMagicBytes + width + length;
  if (begin > file.size()) throw bad(path, "it ends within its header");
  const std::string_view header = file.substr(kMagicBytes + width, length);
  const std::string_view type = field(header, "descr", path);
  const bool single = type.starts_with("'<f4'");
  if (!single && !type.starts_with("'<f8'")) {
    throw bad(path, fmt::format("expected float32 or float64 ('<f4' or '<f8'), found {}",
                                type.substr(0, std::min(type.find(','), type.size()))));
  }
  if (!field(header, "fortran_order", path).starts_with("False"))
    throw bad(path, "expected row-major order; save it with numpy.ascontiguousarray");
  const std::vector<std::int64_t> dims = parse_shape(field(header, "shape", path), path);
  std::size_t count = 1;
  for (const std::int64_t dim : dims) {
    count *= static_cast<std::size_t>(dim);
    if (count > kMostBytes) throw bad(path, "its shape is larger than its file");
  }
  const std::string_view data = file.substr(begin);
  const std::size_t bytes = count * (single ? sizeof(float) : sizeof(double));
  if (data.size() != bytes)
    throw bad(path, fmt::format("expected {} bytes of elements, found {}", bytes, data.size()));
  return Tensor::from(single ? widen<float>(data, count) : widen<double>(data, count), Shape(dims));
}

}  // namespace attend::cli
