#include "loaders/files/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "attend/error.h"
#include "loaders/files/checked_size.h"
#include "loaders/files/file_kind.h"
#include "loaders/files/json.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr std::uint64_t kMaxTensors = std::uint64_t{1} << 18;
constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 48;  // as the format's schema
constexpr std::uint64_t kMaxTensorBytes = static_cast<std::uint64_t>(INT64_MAX);
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::string_view kSupportedDtypes = "F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL";

struct SafetensorsDtype {
  std::string_view name;
  std::uint32_t bits;
  std::optional<DType> dtype;  // none: valid in the format, not supported here
};

constexpr std::array<SafetensorsDtype, 23> kDtypes{{
    {"F64", 64, DType::f64}, {"F32", 32, DType::f32},
    {"F16", 16, DType::f16}, {"BF16", 16, DType::bf16},
    {"I64", 64, DType::i64}, {"I32", 32, DType::i32},
    {"I16", 16, DType::i16}, {"I8", 8, DType::i8},
    {"U8", 8, DType::u8},    {"BOOL", 8, DType::boolean},
    {"U64", 64, {}},         {"U32", 32, {}},
    {"U16", 16, {}},         {"C64", 64, {}},
    {"F8_E4M3", 8, {}},      {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},      {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},      {"F4", 4, {}},
    {"F8_E4M3FNUZ", 8, {}},  {"F8_E5M2FNUZ", 8, {}},
    {"C128", 128, {}},
}};

// One entry of the header while it is checked.
struct Entry {
  StoredTensor tensor;
  std::uint64_t begin = 0;  // in the data section
  std::uint64_t end = 0;
  std::uint64_t size_bytes = 0;  // by dtype and shape

  bool size_matches() const { return end - begin == size_bytes; }
};

// A refusal about one tensor.
class EntryReader {
 public:
  EntryReader(const std::string& file, std::string_view tensor) : file_(file), tensor_(tensor) {}

  Entry read(const JsonValue& value) const;

 private:
  [[noreturn]] void refuse(const char* kind, std::string message) const {
    throw Error(kind, file_ + ": " + quoted_name(), std::move(message));
  }
  std::string quoted_name() const {
    const std::string text = quote_text(tensor_);
    return text.size() == tensor_.size() + 2 ? std::string(tensor_) : text;
  }
  void check_name() const;
  const SafetensorsDtype& read_dtype(const JsonValue& value) const;
  std::vector<std::int64_t> read_shape(const JsonValue& value, std::uint32_t element_bits,
                                       std::uint64_t& size_bytes) const;

  const std::string& file_;
  std::string_view tensor_;
};

void EntryReader::check_name() const {
  if (tensor_.empty()) refuse("ST_NAME_INVALID", "expected a tensor name, found an empty string");
  if (tensor_.find('\0') != std::string_view::npos)
    refuse("ST_NAME_INVALID", "the tensor name contains a NUL byte");
  if (tensor_.size() > kMaxNameBytes) {
    refuse("ST_NAME_INVALID", fmt::format("expected a tensor name of at most {} bytes, found {}",
                                          kMaxNameBytes, tensor_.size()));
  }
}

const SafetensorsDtype& EntryReader::read_dtype(const JsonValue& value) const {
  const std::optional<std::string_view> text = value.to_string();
  const auto* found = std::find_if(kDtypes.begin(), kDtypes.end(),
                                   [&](const SafetensorsDtype& d) { return text && d.name == *text; });
  if (found == kDtypes.end()) {
    refuse("ST_DTYPE_UNKNOWN",
           fmt::format("expected a dtype of {}, found {}", kSupportedDtypes, value.describe()));
  }
  return *found;
}

std::vector<std::int64_t> EntryReader::read_shape(const JsonValue& value, std::uint32_t element_bits,
                                                  std::uint64_t& size_bytes) const {
  if (!value.is_array())
    refuse("ST_SHAPE_TYPE", "expected shape to be an array of integers, found " + value.describe());
  if (value.size() > static_cast<std::size_t>(Shape::kMaxRank)) {
    refuse("ST_RANK", fmt::format("expected at most {} dimensions, found {}", Shape::kMaxRank, value.size()));
  }
  for (const JsonValue& dim : value.elements()) {
    if (!dim.is_integer())
      refuse("ST_SHAPE_TYPE", "expected shape to be an array of integers, found " + dim.describe());
    if (!dim.to_uint64())
      refuse("ST_SHAPE_RANGE",
             fmt::format("expected dimensions from 0 to {}, found {}", kMaxDim, dim.describe()));
  }
  // Zero dimensions are left out of the product, so that their place does not change the verdict.
  bool empty = false;
  std::optional<std::uint64_t> elements = 1;
  for (const JsonValue& dim : value.elements()) {
    const std::uint64_t size = *dim.to_uint64();
    empty = empty || size == 0;
    if (size != 0 && elements) elements = checked_mul(*elements, size);
  }
  const std::optional<std::uint64_t> bits = elements ? checked_mul(*elements, element_bits) : std::nullopt;
  const bool too_large = !bits || *bits / 8 > kMaxTensorBytes;
  if (too_large && !empty)
    refuse("ST_SIZE_OVERFLOW", "the number of bytes of this shape does not fit 64 bits");
  std::vector<std::int64_t> shape;
  for (const JsonValue& dim : value.elements()) {
    if (*dim.to_uint64() > kMaxDim || too_large) {
      refuse("ST_SHAPE_RANGE",
             fmt::format("expected dimensions from 0 to {}, found {}", kMaxDim, dim.describe()));
    }
    shape.push_back(static_cast<std::int64_t>(*dim.to_uint64()));
  }
  if (!empty && *bits % 8 != 0) {
    refuse("ST_SUBBYTE_ALIGN",
           fmt::format("{} elements of {} bits do not fill whole bytes", *elements, element_bits));
  }
  size_bytes = empty ? 0 : *bits / 8;
  return shape;
}

Entry EntryReader::read(const JsonValue& value) const {
  check_name();
  if (!value.is_object())
    refuse("ST_ENTRY_TYPE",
           "expected an object with dtype, shape and data_offsets, found " + value.describe());
  for (const JsonMember& member : value.members()) {
    if (member.key != "dtype" && member.key != "shape" && member.key != "data_offsets") {
      refuse("ST_UNKNOWN_FIELD",
             fmt::format("expected dtype, shape and data_offsets, found {}", quote_text(member.key)));
    }
  }
  for (const char* field : {"dtype", "shape", "data_offsets"}) {
    if (!value.find(field))
      refuse("ST_MISSING_FIELD", fmt::format("expected the field {}, found none", field));
  }
  Entry entry;
  const SafetensorsDtype& dtype = read_dtype(*value.find("dtype"));
  const std::vector<std::int64_t> shape = read_shape(*value.find("shape"), dtype.bits, entry.size_bytes);
  if (!dtype.dtype) {
    refuse("ST_DTYPE_UNSUPPORTED",
           fmt::format("the dtype {} is not supported; supported are {}", dtype.name, kSupportedDtypes));
  }
  const JsonValue& offsets = *value.find("data_offsets");
  if (offsets.size() != 2 || !offsets.is_array()) {
    refuse("ST_OFFSET_TYPE", "expected data_offsets to be [begin, end], found " + offsets.describe());
  }
  const std::optional<std::uint64_t> begin = offsets.elements()[0].to_uint64();
  const std::optional<std::uint64_t> end = offsets.elements()[1].to_uint64();
  if (!begin || !end) {
    refuse("ST_OFFSET_TYPE", "expected data_offsets to be two integers that are not negative, found " +
                                 offsets.elements()[begin ? 1 : 0].describe());
  }
  if (*begin > *end)
    refuse("ST_OFFSET_ORDER",
           fmt::format("data_offsets [{}, {}]: the end lies before the begin", *begin, *end));
  entry.begin = *begin;
  entry.end = *end;
  entry.tensor.info = {std::string(tensor_), *dtype.dtype, Shape(shape), file_};
  return entry;
}

// Length of the header; all that is known before are the file's bytes.
std::uint64_t read_header_length(const File& file) {
  const std::string& where = file.name();
  const std::uint64_t size = file.size_bytes();
  if (size < 8)
    throw Error("ST_HEADER_TRUNCATED", where,
                fmt::format("need 8 bytes of header length, the file has {}", size));
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(size, 512)), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)), "ST_FILE_CHANGED");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8U | static_cast<unsigned char>(head[i]);
  if (length > size - 8 || length > kMaxHeaderBytes || (size > 8 && length > 0 && head[8] != '{')) {
    const FileKind kind = file_kind(head);
    if (kind == FileKind::git_lfs_pointer)
      throw Error("ST_GIT_LFS_POINTER", where, "found " + describe(kind));
    if (kind != FileKind::unknown)
      throw Error("ST_NOT_SAFETENSORS", where, "expected a safetensors file, found " + describe(kind));
  }
  if (length == 0)
    throw Error("ST_HEADER_EMPTY", where, "offset 0: expected the length of a header, found 0");
  if (length > kMaxHeaderBytes) {
    throw Error("ST_HEADER_TOO_LARGE", where,
                fmt::format("offset 0: the header declares {} bytes, at most {} are accepted", length,
                            kMaxHeaderBytes));
  }
  if (length > size - 8) {
    throw Error("ST_HEADER_TRUNCATED", where,
                fmt::format("offset 0: the header declares {} bytes, {} are available", length, size - 8));
  }
  return length;
}

JsonDocument parse_header(const File& file, std::uint64_t length) {
  const std::string& where = file.name();
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(8, std::as_writable_bytes(std::span(text)), "ST_FILE_CHANGED");
  if (std::string_view(" \t\r\n").find(text[0]) != std::string_view::npos) {
    throw Error(
        "ST_HEADER_NOT_OBJECT", where,
        fmt::format("offset 8: expected {{, found byte 0x{:02X}", static_cast<unsigned char>(text[0])));
  }
  JsonLimits limits;
  limits.max_bytes = kMaxHeaderBytes;
  limits.max_depth = 4;
  limits.max_root_members = kMaxTensors;
  limits.max_values = 3U << 20U;
  limits.text_offset = 8;
  limits.kinds = JsonKinds::prefixed("ST_HEADER");
  limits.kinds.syntax = "ST_HEADER_JSON";
  limits.kinds.size = "ST_HEADER_TOO_LARGE";
  limits.kinds.duplicate = "ST_DUPLICATE_KEY";
  limits.kinds.count = "ST_TOO_MANY_TENSORS";
  JsonDocument document = parse_json(text, limits, where);
  if (!document->is_object()) {
    throw Error("ST_HEADER_JSON", where,
                "offset 8: expected an object of tensors, found " + document->describe());
  }
  const std::size_t end = text.rfind('}') + 1;
  const std::size_t stray = text.find_first_not_of(' ', end);
  if (stray != std::string::npos) {
    throw Error("ST_HEADER_TRAILING", where,
                fmt::format("offset {}: only spaces may follow the header's JSON, found byte 0x{:02X}",
                            8 + stray, static_cast<unsigned char>(text[stray])));
  }
  return document;
}

std::map<std::string, std::string> read_metadata(const JsonValue& value, const std::string& where) {
  if (!value.is_object())
    throw Error("ST_METADATA_TYPE", where + ": __metadata__",
                "expected an object of strings, found " + value.describe());
  std::map<std::string, std::string> out;
  for (const JsonMember& member : value.members()) {
    const std::optional<std::string_view> text = member.value.to_string();
    if (!text) {
      throw Error("ST_METADATA_TYPE", fmt::format("{}: __metadata__.{}", where, quote_text(member.key)),
                  "expected a string, found " + member.value.describe());
    }
    out.emplace(member.key, *text);
  }
  return out;
}

// The tensors must cover the data section exactly. `entries` are sorted by their place.
void check_layout(const std::vector<Entry>& entries, const std::string& where, std::uint64_t data_begin,
                  std::uint64_t data_bytes) {
  const auto at = [&](const Entry& entry) { return where + ": " + entry.tensor.info.name; };
  // An otherwise coherent header over too few bytes is a file that was cut; else the offsets are wrong.
  std::uint64_t covered = 0;
  bool coherent = true;
  const Entry* beyond = nullptr;
  for (const Entry& entry : entries) {
    coherent = coherent && entry.begin == covered && entry.size_matches();
    covered = entry.end;
    if (entry.end > data_bytes && !beyond) beyond = &entry;
  }
  if (beyond && coherent) {
    throw Error(
        "ST_DATA_TRUNCATED", at(*beyond),
        fmt::format("the file is missing {} of {} bytes of data; it ends at offset {}: download it again",
                    covered - data_bytes, covered, data_begin + data_bytes));
  }
  if (beyond) {
    throw Error("ST_OFFSET_RANGE", at(*beyond),
                fmt::format("data_offsets [{}, {}] reach beyond the {} bytes of data", beyond->begin,
                            beyond->end, data_bytes));
  }
  const Entry* previous = nullptr;
  for (const Entry& entry : entries) {
    if (!entry.size_matches()) {
      throw Error("ST_SIZE_MISMATCH", at(entry),
                  fmt::format("expected {} bytes for {} of shape {}, found data_offsets of {} bytes",
                              entry.size_bytes, name(entry.tensor.info.dtype), entry.tensor.info.shape.str(),
                              entry.end - entry.begin));
    }
    const std::uint64_t expected = previous ? previous->end : 0;
    if (entry.begin < expected) {
      throw Error("ST_OVERLAP", at(entry),
                  fmt::format("shares bytes with {}: one begins at {}, the other ends at {}",
                              previous->tensor.info.name, entry.begin, expected));
    }
    if (entry.begin > expected) {
      throw Error("ST_HOLE", at(entry),
                  fmt::format("offset {}: {} bytes before this tensor belong to none", data_begin + expected,
                              entry.begin - expected));
    }
    previous = &entry;
  }
  if (covered < data_bytes) {
    throw Error("ST_TRAILING_DATA", where,
                fmt::format("offset {}: {} bytes after the last tensor belong to none", data_begin + covered,
                            data_bytes - covered));
  }
}

}  // namespace

TensorListing read_safetensors_header(const File& file) {
  const std::string where = file.name();
  const std::uint64_t length = read_header_length(file);
  const JsonDocument document = parse_header(file, length);
  const std::uint64_t data_begin = 8 + length;

  TensorListing header;
  std::vector<Entry> entries;
  entries.reserve(document->size());
  for (const JsonMember& member : document->members()) {
    if (member.key == "__metadata__") {
      header.metadata = read_metadata(member.value, where);
    } else {
      entries.push_back(EntryReader(where, member.key).read(member.value));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.tensor.info.name) < std::tie(b.begin, b.end, b.tensor.info.name);
  });
  check_layout(entries, where, data_begin, file.size_bytes() - data_begin);
  header.tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    entry.tensor.offset = data_begin + entry.begin;
    header.tensors.push_back(std::move(entry.tensor));
  }
  return header;
}

std::unique_ptr<StoredTensors> open_safetensors(const std::filesystem::path& path) {
  std::vector<File> files;
  files.emplace_back(path);
  TensorListing header = read_safetensors_header(files.front());
  return std::make_unique<StoredTensors>("ST", std::move(files), std::move(header.tensors),
                                         std::move(header.metadata));
}

}  // namespace attend
