#include "attend/task_value.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

template <class T, class Variant>
const T& get_as(const Variant& value, const char* name) {
  if (const T* found = std::get_if<T>(&value)) return *found;
  throw usage_error("TASK_VALUE_TYPE", "task result", fmt::format("expected {}, found another type", name));
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

template <class Float>
void append_number(std::string& out, Float value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  const std::size_t start = out.size();
  fmt::format_to(std::back_inserter(out), "{}", value);
  // 1.0 stays a fraction: readers tell scores from ids by it.
  if (out.find_first_of(".e", start) == std::string::npos) out += ".0";
}

template <class Items, class Append>
void append_list(std::string& out, char open, char close, const Items& items, Append append) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ", ";
    first = false;
    append(item);
  }
  out += close;
}

}  // namespace

TaskValue::TaskValue(std::string value) : value_(std::move(value)) {}
TaskValue::TaskValue(Vector value) : value_(std::move(value)) {}
TaskValue::TaskValue(Array value) : value_(std::move(value)) {}
TaskValue::TaskValue(Object value) : value_(std::move(value)) {}

bool TaskValue::as_bool() const {
  return get_as<bool>(value_, "a boolean");
}
std::int64_t TaskValue::as_int() const {
  return get_as<std::int64_t>(value_, "an integer");
}
double TaskValue::as_number() const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*integer);
  return get_as<double>(value_, "a number");
}
const std::string& TaskValue::as_string() const {
  return get_as<std::string>(value_, "a string");
}
const TaskValue::Vector& TaskValue::as_vector() const {
  return get_as<Vector>(value_, "a vector");
}
const TaskValue::Array& TaskValue::as_array() const {
  return get_as<Array>(value_, "an array");
}
const TaskValue::Object& TaskValue::as_object() const {
  return get_as<Object>(value_, "an object");
}

const TaskValue* TaskValue::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const TaskField& field : *object) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

const TaskValue& TaskValue::at(std::string_view name) const {
  if (const TaskValue* value = find(name)) return *value;
  std::string names;
  for (const TaskField& field : as_object()) names += (names.empty() ? "" : ", ") + field.name;
  throw usage_error("TASK_VALUE_FIELD", "task result",
                    fmt::format("there is no field \"{}\"; the fields are: {}", name, names));
}

std::string TaskValue::json() const {
  std::string out;
  append_json(out);
  return out;
}

void TaskValue::append_json(std::string& out) const {
  if (const auto* object = std::get_if<Object>(&value_)) {
    append_list(out, '{', '}', *object, [&](const TaskField& field) {
      append_string(out, field.name);
      out += ": ";
      field.value.append_json(out);
    });
  } else if (const auto* array = std::get_if<Array>(&value_)) {
    append_list(out, '[', ']', *array, [&](const TaskValue& item) { item.append_json(out); });
  } else if (const auto* vector = std::get_if<Vector>(&value_)) {
    append_list(out, '[', ']', *vector, [&](float item) { append_number(out, item); });
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    append_string(out, *text);
  } else if (const auto* number = std::get_if<double>(&value_)) {
    append_number(out, *number);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
    out += fmt::to_string(*integer);
  } else if (const auto* boolean = std::get_if<bool>(&value_)) {
    out += *boolean ? "true" : "false";
  } else {
    out += "null";
  }
}

}  // namespace attend
