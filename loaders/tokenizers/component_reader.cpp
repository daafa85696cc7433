#include "loaders/tokenizers/component_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "loaders/files/message_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {

ComponentReader::ComponentReader(const JsonValue& json, std::string where)
    : json_(&json), where_(std::move(where)) {
  if (!json.is_object())
    throw Error("TOK_COMPONENT_PARAM", where_, fmt::format("expected an object, found {}", json.describe()));
  if (has("type")) type_ = text("type");
}

bool ComponentReader::has(std::string_view key) const {
  const JsonValue* value = json_->find(key);
  return value != nullptr && !value->is_null();
}

void ComponentReader::expect_fields(std::initializer_list<std::string_view> known) const {
  for (const JsonMember& member : json_->members()) {
    if (member.value.is_null() || member.key == "type") continue;
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    throw Error("TOK_COMPONENT_UNSUPPORTED", where_,
                fmt::format("{} has a field {} that is not known", type_.empty() ? "the component" : type_,
                            quote_text(member.key)));
  }
}

Error ComponentReader::param_error(std::string_view key, std::string message) const {
  return Error("TOK_COMPONENT_PARAM", fmt::format("{}.{}", where_, key), std::move(message));
}

Error ComponentReader::unknown_type(std::string_view role) const {
  return Error("TOK_COMPONENT_UNSUPPORTED", where_,
               type_.empty() ? fmt::format("a {} without a type that is none of the older forms", role)
                             : fmt::format("the {} type {} is not known", role, quote_text(type_)));
}

const JsonValue& ComponentReader::field(std::string_view key, std::string_view expected) const {
  const JsonValue* value = json_->find(key);
  if (value == nullptr) throw param_error(key, fmt::format("expected {}, found no such field", expected));
  return *value;
}

bool ComponentReader::boolean(std::string_view key) const {
  const JsonValue& value = field(key, "true or false");
  if (const auto flag = value.to_bool()) return *flag;
  throw param_error(key, fmt::format("expected true or false, found {}", value.describe()));
}

std::string_view ComponentReader::text(std::string_view key) const {
  const JsonValue& value = field(key, "a text");
  if (const auto text = value.to_string()) return *text;
  throw param_error(key, fmt::format("expected a text, found {}", value.describe()));
}

char32_t ComponentReader::character(std::string_view key) const {
  const std::string_view value = text(key);
  if (value.empty() || utf8_length(value[0]) != value.size())
    throw param_error(key, fmt::format("expected one character, found {}", quote_text(value)));
  return decode_utf8(value, 0).value;
}

std::uint64_t ComponentReader::integer(std::string_view key, std::uint64_t max) const {
  const JsonValue& value = field(key, "an integer");
  const auto number = value.to_uint64();
  if (number && *number <= max) return *number;
  throw param_error(key, fmt::format("expected an integer from 0 to {}, found {}", max, value.describe()));
}

const JsonValue& ComponentReader::array(std::string_view key) const {
  const JsonValue& value = field(key, "an array");
  if (value.is_array()) return value;
  throw param_error(key, fmt::format("expected an array, found {}", value.describe()));
}

const JsonValue& ComponentReader::object(std::string_view key) const {
  const JsonValue& value = field(key, "an object");
  if (value.is_object()) return value;
  throw param_error(key, fmt::format("expected an object, found {}", value.describe()));
}

bool ComponentReader::boolean_or(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}

std::optional<std::string_view> ComponentReader::optional_text(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return text(key);
}

std::optional<std::uint64_t> ComponentReader::optional_integer(std::string_view key,
                                                               std::uint64_t max) const {
  if (!has(key)) return std::nullopt;
  return integer(key, max);
}

std::size_t ComponentReader::choice(std::string_view key,
                                    std::initializer_list<std::string_view> names) const {
  const std::string_view value = text(key);
  const auto found = std::find(names.begin(), names.end(), value);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  throw Error("TOK_COMPONENT_UNSUPPORTED", fmt::format("{}.{}", where_, key),
              fmt::format("{} is not known; expected one of {}", quote_text(value), fmt::join(names, ", ")));
}

std::vector<ComponentReader> ComponentReader::children(std::string_view key) const {
  std::vector<ComponentReader> readers;
  for (const JsonValue& value : array(key).elements())
    readers.emplace_back(value, fmt::format("{}.{}[{}]", where_, key, readers.size()));
  return readers;
}

void ComponentReader::add_name(std::vector<std::string>& names) const {
  constexpr std::size_t kMost = 1000;
  if (names.size() == kMost)
    throw Error("TOK_LIMIT", where_,
                fmt::format("more than {} components; at most as many are taken", kMost));
  names.emplace_back(type_);
}

ComponentReader::Pattern ComponentReader::pattern() const {
  const JsonValue& value = object("pattern");
  if (value.size() == 1) {
    const JsonMember& member = value.members().front();
    const auto text = member.value.to_string();
    if (text && (member.key == "String" || member.key == "Regex")) return {*text, member.key == "Regex"};
  }
  throw param_error("pattern", R"(expected {"String": text} or {"Regex": text})");
}

}  // namespace attend
