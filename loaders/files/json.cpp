#include "loaders/files/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "loaders/files/json_arena.h"
#include "loaders/files/message_text.h"

namespace attend {

bool JsonValue::is_integer() const {
  if (type_ == JsonType::int64 || type_ == JsonType::uint64) return true;
  return type_ == JsonType::number_text && text().find_first_of(".eE") == std::string_view::npos;
}

std::optional<bool> JsonValue::to_bool() const {
  if (type_ != JsonType::boolean) return std::nullopt;
  return boolean_;
}

std::optional<std::int64_t> JsonValue::to_int64() const {
  if (type_ == JsonType::int64) return int64_;
  if (type_ == JsonType::uint64 && uint64_ <= static_cast<std::uint64_t>(INT64_MAX)) {
    return static_cast<std::int64_t>(uint64_);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> JsonValue::to_uint64() const {
  if (type_ != JsonType::uint64) return std::nullopt;
  return uint64_;
}

std::optional<double> JsonValue::to_double() const {
  if (type_ == JsonType::int64) return static_cast<double>(int64_);
  if (type_ == JsonType::uint64) return static_cast<double>(uint64_);
  if (type_ != JsonType::number_text) return std::nullopt;
  double value = 0;
  const std::from_chars_result result = std::from_chars(text_, text_ + size_, value);
  // Out of range means too small here: numbers too large for a double are refused by the parser.
  if (result.ec == std::errc::result_out_of_range) return 0.0;
  return value;
}

std::optional<std::string_view> JsonValue::to_string() const {
  if (type_ != JsonType::string) return std::nullopt;
  return text();
}

std::span<const JsonValue> JsonValue::elements() const {
  if (type_ != JsonType::array) return {};
  return {elements_, size_};
}

std::span<const JsonMember> JsonValue::members() const {
  if (type_ != JsonType::object) return {};
  return {members_, size_};
}

std::size_t JsonValue::size() const {
  return type_ == JsonType::array || type_ == JsonType::object ? size_ : 0;
}

const std::uint32_t* JsonValue::sorted_index() const {
  return reinterpret_cast<const std::uint32_t*>(members_ + size_);
}

const JsonValue* JsonValue::find(std::string_view key) const {
  const std::span<const JsonMember> all = members();
  if (all.size() <= kLinearMembers) {
    for (const JsonMember& member : all) {
      if (member.key == key) return &member.value;
    }
    return nullptr;
  }
  const std::uint32_t* begin = sorted_index();
  const std::uint32_t* end = begin + size_;
  const std::uint32_t* found =
      std::lower_bound(begin, end, key, [&](std::uint32_t i, std::string_view k) { return all[i].key < k; });
  return found != end && all[*found].key == key ? &all[*found].value : nullptr;
}

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? std::string() : std::string(value->to_string().value_or(""));
}

std::string JsonValue::describe() const {
  switch (type_) {
    case JsonType::null: return "null";
    case JsonType::boolean: return boolean_ ? "true" : "false";
    case JsonType::int64: return fmt::format("the number {}", int64_);
    case JsonType::uint64: return fmt::format("the number {}", uint64_);
    case JsonType::number_text:
      return fmt::format("the number {}{}", text().substr(0, 40), size_ > 40 ? "..." : "");
    case JsonType::string: return "the string " + quote_text(text());
    case JsonType::array: return fmt::format("an array of {}", size_);
    case JsonType::object: return fmt::format("an object of {}", size_);
  }
  return "an unknown value";
}

JsonDocument::JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonKinds JsonKinds::prefixed(std::string_view prefix) {
  const auto kind = [&](const char* suffix) { return fmt::format("{}_{}", prefix, suffix); };
  return {.syntax = kind("SYNTAX"),
          .utf8 = kind("UTF8"),
          .encoding = kind("ENCODING"),
          .depth = kind("DEPTH"),
          .duplicate = kind("DUPLICATE"),
          .trailing = kind("TRAILING"),
          .size = kind("SIZE"),
          .count = kind("COUNT")};
}

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

JsonLimits limits_of(std::uint64_t max_bytes, std::string_view prefix) {
  JsonLimits limits;
  limits.max_bytes = max_bytes;
  limits.kinds = JsonKinds::prefixed(prefix);
  return limits;
}

}  // namespace

JsonLimits config_json_limits(std::string_view prefix) {
  return limits_of(4 * kMiB, prefix);
}
JsonLimits tokenizer_json_limits(std::string_view prefix) {
  return limits_of(64 * kMiB, prefix);
}
JsonLimits request_json_limits(std::string_view prefix) {
  return limits_of(8 * kMiB, prefix);
}
JsonLimits index_json_limits(std::string_view prefix) {
  return limits_of(64 * kMiB, prefix);
}

}  // namespace attend
