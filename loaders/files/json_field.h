// A JSON value together with where it stands, for readers that refuse at the first mistake.
//
//   const JsonField root(*document, "tokenizer.json", "TOK");
//   const std::int64_t id = root["added_tokens"].at(0)["id"].integer(0, INT32_MAX);
//
// throws Error{"TOK_FIELD_MISSING" | "TOK_FIELD_TYPE" | "TOK_FIELD_RANGE",
//              "tokenizer.json: added_tokens[0].id", "expected ..., found ..."}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/files/json.h"

namespace attend {

// Cheap enough for settings; for large tables iterate over value().elements() or value().members().
// The document must outlive it.
class JsonField {
 public:
  // `kind_prefix` must be a literal.
  JsonField(const JsonValue& value, std::string where, const char* kind_prefix);

  const JsonValue& value() const { return *value_; }
  // "tokenizer.json: model.type"
  std::string where() const;
  bool is_null() const { return value_->is_null(); }

  // A member that must be there (null is allowed); this must be an object.
  JsonField operator[](std::string_view key) const;
  // A member that may be absent or null.
  std::optional<JsonField> get(std::string_view key) const;
  // Elements of this array.
  std::size_t size() const { return array().value_->size(); }
  JsonField at(std::size_t index) const;

  // The value; throws _FIELD_TYPE or _FIELD_RANGE.
  std::int64_t integer(std::int64_t min, std::int64_t max) const;
  double number() const;
  bool boolean() const;
  std::string_view string() const;
  std::vector<std::string> strings() const;
  const JsonField& object() const;
  const JsonField& array() const;

  // Members of this object, where absent and null mean `fallback`.
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t min,
                          std::int64_t max) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;

  // Throws {kind_prefix}_{suffix} about this field.
  [[noreturn]] void refuse(std::string_view suffix, std::string message) const;

 private:
  JsonField child(const JsonValue& value, std::string path) const;

  const JsonValue* value_;
  std::string file_;
  std::string path_;
  const char* kind_prefix_;
};

}  // namespace attend
