// Reads the fields of engine/graph/fields.h from a JSON object.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/graph/fields.h"
#include "loaders/files/json_field.h"

namespace attend::graph_file {

template <typename T>
void read_object(const JsonField& object, T& value);

// --- One value, in the bounds of its field.
template <typename F>
void read_value(const JsonField& json, const F& field, std::int64_t& value) {
  value = json.integer(static_cast<std::int64_t>(field.min), static_cast<std::int64_t>(field.max));
}
template <typename F>
void read_value(const JsonField& json, const F& field, float& value) {
  const double number = json.number();
  if (!(number >= field.min && number <= field.max))
    json.refuse("RANGE",
                fmt::format("expected a number from {} to {}, found {}", field.min, field.max, number));
  value = static_cast<float>(number);
}
template <typename F>
void read_value(const JsonField& json, const F&, bool& value) {
  value = json.boolean();
}
template <typename F>
void read_value(const JsonField& json, const F&, std::string& value) {
  value = json.string();
}
template <typename F>
void read_value(const JsonField& json, const F&, std::vector<std::string>& value) {
  value = json.strings();
}
template <typename F>
void read_value(const JsonField& json, const F&, std::vector<float>& value) {
  value.clear();
  for (std::size_t i = 0; i < json.size(); ++i) {
    float number = 0;
    read_value(json.at(i), Field<Rope, float>{"", nullptr}, number);
    value.push_back(number);
  }
}
template <typename F, typename E>
requires std::is_enum_v<E>
void read_value(const JsonField& json, const F&, E& value) {
  const std::string_view name = json.string();
  for (std::size_t i = 0; i < Names<E>::list.size(); ++i) {
    if (name != Names<E>::list[i]) continue;
    value = static_cast<E>(i);
    return;
  }
  json.refuse("VALUE", fmt::format("expected one of {}, found {}", fmt::join(Names<E>::list, ", "),
                                   json.value().describe()));
}
template <typename F, typename T>
requires std::is_class_v<T> && requires {
  Fields<T>::list;
}
void read_value(const JsonField& json, const F&, T& value) {
  read_object(json, value);
}
template <typename F, typename T>
void read_value(const JsonField& json, const F& field, std::optional<T>& value) {
  read_value(json, field, value.emplace());
}

// --- Objects.
template <typename T>
bool is_field(std::string_view key) {
  bool found = false;
  for_each_field<T>([&](const auto& field) { found = found || key == field.name; });
  return found;
}

template <typename T>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for_each_field<T>([&](const auto& field) { names.emplace_back(field.name); });
  return names;
}

// Fields that are there, and an error for required ones that are not; other keys are the caller's business.
template <typename T>
void read_fields(const JsonField& object, T& value) {
  for_each_field<T>([&](const auto& field) {
    if (field.required || object.value().find(field.name) != nullptr)
      read_value(object[field.name], field, value.*field.member);
  });
}

// Throws GRAPH_KEY_UNKNOWN for a member that is neither a field of T nor one of `others`.
template <typename T>
void refuse_unknown_keys(const JsonField& object, std::vector<std::string> others) {
  for (const JsonMember& member : object.object().value().members()) {
    if (is_field<T>(member.key) || std::find(others.begin(), others.end(), member.key) != others.end())
      continue;
    const std::vector<std::string> fields = field_names<T>();
    others.insert(others.end(), fields.begin(), fields.end());
    object[member.key].refuse(
        "KEY_UNKNOWN", fmt::format("there is no such key here; expected one of {}", fmt::join(others, ", ")));
  }
}

template <typename T>
void read_object(const JsonField& object, T& value) {
  refuse_unknown_keys<T>(object, {});
  read_fields(object, value);
}

}  // namespace attend::graph_file
