#include "loaders/files/safetensors_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

}  // namespace

std::string_view safetensors_name(DType dtype) {
  switch (dtype) {
    case DType::f64: return "F64";
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::i64: return "I64";
    case DType::i32: return "I32";
    case DType::i16: return "I16";
    case DType::i8: return "I8";
    case DType::u8: return "U8";
    case DType::boolean: return "BOOL";
  }
  return "";
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(std::move(path)), part_(path_.string() + ".part"), out_(part_, std::ios::binary) {
  std::string header = "{\"__metadata__\":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    header += fmt::format("{}{}:{}", std::exchange(separator, ","), json_string(key), json_string(value));
  }
  header += '}';
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.name.empty() || !names.insert(tensor.name).second) {
      throw internal_error(path_.string(),
                           "the tensor name " + json_string(tensor.name) + " is empty or not unique");
    }
    const std::uint64_t begin = missing_bytes_;
    missing_bytes_ += tensor.size_bytes();
    header += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          json_string(tensor.name), safetensors_name(tensor.dtype),
                          fmt::join(tensor.shape.dims(), ","), begin, missing_bytes_);
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data section starts aligned
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFFU);
  put(length.data(), length.size());
  put(header.data(), header.size());
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!out_.is_open()) return;
  out_.close();
  std::error_code error;
  std::filesystem::remove(part_, error);
}

void SafetensorsWriter::put(const char* data, std::size_t size) {
  if (!out_.write(data, static_cast<std::streamsize>(size))) {
    throw Error("FILE_WRITE", part_.string(), "cannot be written: " + std::generic_category().message(errno),
                ErrorCategory::internal);
  }
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_bytes_) {
    throw internal_error(path_.string(),
                         fmt::format("{} bytes more than were announced", bytes.size() - missing_bytes_));
  }
  put(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  missing_bytes_ -= bytes.size();
}

void SafetensorsWriter::finish() {
  if (missing_bytes_ > 0)
    throw internal_error(path_.string(), fmt::format("{} announced bytes were not written", missing_bytes_));
  out_.close();
  if (!out_)
    throw Error("FILE_WRITE", part_.string(), "cannot be written: " + std::generic_category().message(errno),
                ErrorCategory::internal);
  std::filesystem::rename(part_, path_);
}

}  // namespace attend
