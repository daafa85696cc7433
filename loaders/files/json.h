// The one reader of untrusted JSON: strict, bounded, and exact in its numbers.
//
// RFC 8259 without leniency: no comments, no NaN, no trailing commas, no byte order mark, no duplicate
// keys, valid UTF-8 only. Depth and size are limited by the caller; nesting uses no stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace attend {

struct JsonMember;

enum class JsonType : std::uint8_t { null, boolean, int64, uint64, number_text, string, array, object };

// One value inside a JsonDocument, which owns what it points to. 16 bytes, copied freely.
class JsonValue {
 public:
  JsonValue() : uint64_(0) {}

  JsonType type() const { return type_; }
  bool is_null() const { return type_ == JsonType::null; }
  bool is_boolean() const { return type_ == JsonType::boolean; }
  bool is_string() const { return type_ == JsonType::string; }
  bool is_array() const { return type_ == JsonType::array; }
  bool is_object() const { return type_ == JsonType::object; }
  bool is_number() const { return type_ >= JsonType::int64 && type_ <= JsonType::number_text; }
  // A number written without fraction and exponent, whatever its size.
  bool is_integer() const;

  // The value, or nothing when it is of another type. 2.0 and 1e3 are no integers; integers outside the
  // range are nothing.
  std::optional<bool> to_bool() const;
  std::optional<std::int64_t> to_int64() const;
  std::optional<std::uint64_t> to_uint64() const;
  // Any number, rounded once from its decimal text. Always finite.
  std::optional<double> to_double() const;
  std::optional<std::string_view> to_string() const;

  // Elements of an array, members of an object in file order; empty for other types.
  std::span<const JsonValue> elements() const;
  std::span<const JsonMember> members() const;
  // Member of an object by key, in logarithmic time; null when absent or when this is no object.
  const JsonValue* find(std::string_view key) const;
  // Number of elements or members; 0 for other types.
  std::size_t size() const;

  // For messages: `the number 2.5`, `the string "a"`, `an array of 3`.
  std::string describe() const;

 private:
  friend class JsonBuilder;
  std::string_view text() const { return {text_, size_}; }
  const std::uint32_t* sorted_index() const;

  JsonType type_ = JsonType::null;
  std::uint32_t size_ = 0;  // bytes of text, elements, members
  union {
    bool boolean_;
    std::int64_t int64_;  // negative integers only
    std::uint64_t uint64_;
    const char* text_;  // strings, and numbers as written
    const JsonValue* elements_;
    const JsonMember* members_;  // followed by their order by key when there are more than kLinearMembers
  };
  static constexpr std::size_t kLinearMembers = 8;
};

struct JsonMember {
  std::string_view key;
  JsonValue value;
};

// The string that an object has under that key; empty when there is none.
std::string text_of(const JsonValue& object, std::string_view key);

class JsonArena;

// Owns a parsed text's values. Move-only; values and views stay valid as long as the document.
class JsonDocument {
 public:
  JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  const JsonValue& root() const { return root_; }
  const JsonValue& operator*() const { return root_; }
  const JsonValue* operator->() const { return &root_; }

 private:
  friend class JsonBuilder;
  std::unique_ptr<JsonArena> arena_;
  JsonValue root_;
};

// Error kinds of a kind of file.
struct JsonKinds {
  std::string syntax, utf8, encoding, depth, duplicate, trailing, size, count;

  // PREFIX_SYNTAX, PREFIX_UTF8, PREFIX_ENCODING, PREFIX_DEPTH, PREFIX_DUPLICATE, PREFIX_TRAILING,
  // PREFIX_SIZE, PREFIX_COUNT.
  static JsonKinds prefixed(std::string_view prefix);
};

struct JsonLimits {
  std::uint64_t max_bytes = 0;
  int max_depth = 32;
  std::size_t max_root_members = SIZE_MAX;  // kinds.count
  std::size_t max_values = 8U << 20U;       // of all kinds, which bounds the memory; kinds.size
  std::uint64_t text_offset = 0;            // of the text in its file, added to the offsets in messages
  JsonKinds kinds;
};

JsonLimits config_json_limits(std::string_view prefix = "CFG_JSON");     // 4 MiB
JsonLimits tokenizer_json_limits(std::string_view prefix = "TOK_JSON");  // 64 MiB
JsonLimits request_json_limits(std::string_view prefix = "REQ_JSON");    // 8 MiB
JsonLimits index_json_limits(std::string_view prefix = "IDX_JSON");      // 64 MiB

// Parses one JSON value. `where` names the text in messages (a file name). Throws Error with one of
// limits.kinds, the byte offset, line and column.
JsonDocument parse_json(std::string_view text, const JsonLimits& limits, std::string_view where);

// Reads and parses a file. Besides the above: FILE_NOT_FOUND, FILE_TYPE, FILE_READ; the size is checked
// before anything is allocated. A Git LFS pointer or an HTML page is named as such.
JsonDocument read_json_file(const std::filesystem::path& path, const JsonLimits& limits);

}  // namespace attend
