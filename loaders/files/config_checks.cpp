// ConfigReader's checks of more than one value: architecture, heads, labels, values that must not differ.
#include <fmt/format.h>

#include <charconv>

#include "loaders/files/config_reader.h"
#include "loaders/files/json.h"

namespace attend {

void ConfigReader::refuse_architecture(std::string_view found,
                                       const std::vector<std::string>& supported) const {
  refuse("CFG_ARCH_UNSUPPORTED", "architectures",
         fmt::format("expected one of the supported architectures {}; found {}", fmt::join(supported, ", "),
                     found));
}

std::string ConfigReader::architecture(const std::vector<std::string>& supported) const {
  const JsonValue* value = lookup("architectures");
  if (!value || !value->is_array()) {
    refuse_architecture(value ? value->describe() : "none", supported);
    return "";
  }
  if (value->size() != 1 || !value->elements()[0].is_string()) {
    std::string found = value->describe();
    if (value->size() == 1) found += ": " + value->elements()[0].describe();
    refuse_architecture(found, supported);
    return "";
  }
  return std::string(*value->elements()[0].to_string());
}

std::string ConfigReader::model_type() const {
  return optional_string("model_type").value_or("");
}

HeadSizes ConfigReader::head_sizes(const HeadKeys& keys) const {
  // Any integer is let through to be judged here, with its relation to the others in the message.
  constexpr IntRange kAny{std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
  HeadSizes sizes;
  sizes.width = required_int(keys.width, kWidthRange);
  const JsonValue* heads = required(keys.heads);
  if (!heads || !checked_int(keys.heads, *heads, kAny)) return sizes;
  sizes.heads = *heads->to_int64();
  if (sizes.heads < 1 || sizes.heads > kWidthRange.max) {
    refuse("CFG_HEADS", spelling(keys.heads),
           fmt::format("expected from 1 to {} heads, found {}", kWidthRange.max, sizes.heads));
    sizes.heads = 1;
    return sizes;
  }
  sizes.kv_heads = keys.kv_heads ? optional_int(*keys.kv_heads, sizes.heads, kAny) : sizes.heads;
  if (sizes.kv_heads < 1 || sizes.kv_heads > sizes.heads || sizes.heads % sizes.kv_heads != 0) {
    refuse("CFG_HEADS", spelling(*keys.kv_heads),
           fmt::format("expected a divisor of the {} heads ({}), found {}", sizes.heads, spelling(keys.heads),
                       sizes.kv_heads));
    sizes.kv_heads = sizes.heads;
  }
  if (keys.head_dim && has(*keys.head_dim)) {
    sizes.head_dim = optional_int(*keys.head_dim, 1, kWidthRange);
    return sizes;
  }
  if (sizes.width % sizes.heads != 0) {
    refuse("CFG_HEADS", spelling(keys.heads),
           fmt::format("expected a divisor of {} = {}, found {}", spelling(keys.width), sizes.width,
                       sizes.heads));
    sizes.heads = sizes.kv_heads = 1;
  }
  sizes.head_dim = sizes.width / sizes.heads;
  return sizes;
}

std::vector<std::string> ConfigReader::optional_labels(const ConfigKey& key) const {
  const JsonValue* value = lookup(key);
  std::vector<std::string> out;
  if (!value) return out;
  if (!value->is_object()) {
    refuse_type(key, "an object of labels by index", *value);
    return out;
  }
  std::vector<bool> seen(value->size());
  out.resize(value->size());
  for (const JsonMember& member : value->members()) {
    std::size_t index = 0;
    const char* end = member.key.data() + member.key.size();
    const std::from_chars_result parsed = std::from_chars(member.key.data(), end, index);
    if (parsed.ec != std::errc() || parsed.ptr != end || index >= out.size() || seen[index]) {
      refuse("CFG_FIELD_RANGE", spelling(key),
             fmt::format("expected the indices 0 to {}, each once, found \"{}\"", value->size() - 1,
                         member.key.substr(0, 40)));
      return {};
    }
    if (!member.value.is_string()) {
      refuse_type(key, "labels that are strings", member.value);
      return {};
    }
    seen[index] = true;
    out[index] = *member.value.to_string();
  }
  return out;
}

namespace {

std::string only(const std::string& accepted, const JsonValue& value) {
  return fmt::format("only {} is supported, found {}", accepted, value.describe());
}

}  // namespace

void ConfigReader::refuse_unless(const ConfigKey& key, bool expected) const {
  const JsonValue* value = lookup(key);
  if (value && value->to_bool() != expected)
    refuse("CFG_VALUE", spelling(key), only(expected ? "true" : "false", *value));
}

void ConfigReader::refuse_unless(const ConfigKey& key, std::int64_t expected) const {
  const JsonValue* value = lookup(key);
  if (value && value->to_int64() != expected)
    refuse("CFG_VALUE", spelling(key), only(fmt::format("{}", expected), *value));
}

void ConfigReader::refuse_unless(const ConfigKey& key, const char* expected) const {
  const JsonValue* value = lookup(key);
  if (value && value->to_string() != expected) {
    refuse("CFG_VALUE", spelling(key), only(fmt::format("\"{}\"", expected), *value));
  }
}

}  // namespace attend
