// One component of tokenizer.json: its type and its fields, each of which must be known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "loaders/files/json.h"

namespace attend {

class ComponentReader {
 public:
  // `where` is a path for messages: `DIR/tokenizer.json: normalizer.normalizers[2]`.
  ComponentReader(const JsonValue& json, std::string where);

  const std::string& where() const { return where_; }
  // The value of "type"; empty when there is none.
  std::string_view type() const { return type_; }
  bool has(std::string_view key) const;
  // Null when there is no such field.
  const JsonValue* find(std::string_view key) const { return json_->find(key); }
  // Refuses fields other than these and "type". Fields that are null do not count.
  void expect_fields(std::initializer_list<std::string_view> known) const;

  // The field, which must be there and of that type. Errors: TOK_COMPONENT_PARAM.
  bool boolean(std::string_view key) const;
  std::string_view text(std::string_view key) const;
  // A text of exactly one character.
  char32_t character(std::string_view key) const;
  std::uint64_t integer(std::string_view key, std::uint64_t max) const;
  const JsonValue& array(std::string_view key) const;
  const JsonValue& object(std::string_view key) const;
  // The same for fields that may be absent or null.
  bool boolean_or(std::string_view key, bool otherwise) const;
  std::optional<std::string_view> optional_text(std::string_view key) const;
  std::optional<std::uint64_t> optional_integer(std::string_view key, std::uint64_t max) const;
  // One of `names`, by its index.
  std::size_t choice(std::string_view key, std::initializer_list<std::string_view> names) const;
  // The components of an array, each an object.
  std::vector<ComponentReader> children(std::string_view key) const;

  // {"String": ...} or {"Regex": ...} under "pattern".
  struct Pattern {
    std::string_view text;
    bool is_regex = false;
  };
  Pattern pattern() const;

  // Appends the type to `names`, those of all components so far; TOK_LIMIT when there are more than any
  // tokenizer needs.
  void add_name(std::vector<std::string>& names) const;

  Error param_error(std::string_view key, std::string message) const;
  // A type that is not known; `role` says what it was to be.
  Error unknown_type(std::string_view role) const;

 private:
  const JsonValue& field(std::string_view key, std::string_view expected) const;

  const JsonValue* json_;
  std::string where_;
  std::string_view type_;
};

}  // namespace attend
