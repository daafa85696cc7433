#include "loaders/files/json_field.h"

#include <fmt/format.h>

#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

// Keys come from the file: anything unusual is quoted.
std::string path_step(std::string_view key) {
  const bool plain =
      !key.empty() && key.size() <= 80 &&
      key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
          std::string_view::npos;
  return plain ? std::string(key) : quote_text(key);
}

}  // namespace

JsonField::JsonField(const JsonValue& value, std::string where, const char* kind_prefix)
    : value_(&value), file_(std::move(where)), kind_prefix_(kind_prefix) {}

std::string JsonField::where() const {
  return path_.empty() ? file_ : file_ + ": " + path_;
}

JsonField JsonField::child(const JsonValue& value, std::string path) const {
  JsonField out(value, file_, kind_prefix_);
  out.path_ = std::move(path);
  return out;
}

void JsonField::refuse(std::string_view suffix, std::string message) const {
  throw Error(fmt::format("{}_{}", kind_prefix_, suffix), where(), std::move(message));
}

JsonField JsonField::operator[](std::string_view key) const {
  const std::string path = path_.empty() ? path_step(key) : path_ + "." + path_step(key);
  const JsonValue* member = object().value_->find(key);
  static const JsonValue absent;
  if (!member) child(absent, path).refuse("FIELD_MISSING", "expected this key, found none");
  return child(*member, path);
}

std::optional<JsonField> JsonField::get(std::string_view key) const {
  const JsonValue* member = object().value_->find(key);
  if (!member || member->is_null()) return std::nullopt;
  return (*this)[key];
}

JsonField JsonField::at(std::size_t index) const {
  const std::span<const JsonValue> elements = array().value_->elements();
  if (index >= elements.size()) {
    refuse("FIELD_RANGE", fmt::format("expected more than {} elements, found {}", index, elements.size()));
  }
  return child(elements[index], fmt::format("{}[{}]", path_, index));
}

std::int64_t JsonField::integer(std::int64_t min, std::int64_t max) const {
  if (!value_->is_integer()) refuse("FIELD_TYPE", "expected an integer, found " + value_->describe());
  const std::optional<std::int64_t> number = value_->to_int64();
  if (!number || *number < min || *number > max) {
    refuse("FIELD_RANGE",
           fmt::format("expected an integer from {} to {}, found {}", min, max, value_->describe()));
  }
  return *number;
}

double JsonField::number() const {
  const std::optional<double> number = value_->to_double();
  if (!number) refuse("FIELD_TYPE", "expected a number, found " + value_->describe());
  return *number;
}

bool JsonField::boolean() const {
  const std::optional<bool> flag = value_->to_bool();
  if (!flag) refuse("FIELD_TYPE", "expected true or false, found " + value_->describe());
  return *flag;
}

std::string_view JsonField::string() const {
  const std::optional<std::string_view> text = value_->to_string();
  if (!text) refuse("FIELD_TYPE", "expected a string, found " + value_->describe());
  return *text;
}

std::vector<std::string> JsonField::strings() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < size(); ++i) out.emplace_back(at(i).string());
  return out;
}

const JsonField& JsonField::object() const {
  if (!value_->is_object()) refuse("FIELD_TYPE", "expected an object, found " + value_->describe());
  return *this;
}

const JsonField& JsonField::array() const {
  if (!value_->is_array()) refuse("FIELD_TYPE", "expected an array, found " + value_->describe());
  return *this;
}

std::int64_t JsonField::integer_or(std::string_view key, std::int64_t fallback, std::int64_t min,
                                   std::int64_t max) const {
  const std::optional<JsonField> field = get(key);
  return field ? field->integer(min, max) : fallback;
}

double JsonField::number_or(std::string_view key, double fallback) const {
  const std::optional<JsonField> field = get(key);
  return field ? field->number() : fallback;
}

bool JsonField::boolean_or(std::string_view key, bool fallback) const {
  const std::optional<JsonField> field = get(key);
  return field ? field->boolean() : fallback;
}

std::string JsonField::string_or(std::string_view key, std::string_view fallback) const {
  const std::optional<JsonField> field = get(key);
  return std::string(field ? field->string() : fallback);
}

}  // namespace attend
