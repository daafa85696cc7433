// What a task returns: a small ordered tree with the field names of the Hugging Face pipeline of that task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace attend {

struct TaskField;

class TaskValue {
 public:
  using Array = std::vector<TaskValue>;
  // In the order in which the fields are printed.
  using Object = std::vector<TaskField>;
  // An array of numbers, such as an embedding.
  using Vector = std::vector<float>;

  TaskValue() = default;  // null
  TaskValue(bool value) : value_(value) {}
  TaskValue(std::int32_t value) : value_(std::int64_t{value}) {}
  TaskValue(std::int64_t value) : value_(value) {}
  TaskValue(double value) : value_(value) {}
  TaskValue(const char* value) : value_(std::string(value)) {}
  TaskValue(std::string_view value) : value_(std::string(value)) {}
  TaskValue(std::string value);
  TaskValue(Vector value);
  TaskValue(Array value);
  TaskValue(Object value);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }

  // Each throws Error (TASK_VALUE_TYPE) when the value is of another type.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_number() const;  // an integer as well
  const std::string& as_string() const;
  const Vector& as_vector() const;
  const Array& as_array() const;
  const Object& as_object() const;

  // The field of an object, or null when it has none of that name.
  const TaskValue* find(std::string_view name) const;
  // The same; throws Error (TASK_VALUE_FIELD) that lists the fields there are.
  const TaskValue& at(std::string_view name) const;

  // One line of JSON in UTF-8. Numbers have the fewest digits that read back to the same value; NaN and
  // infinity, which JSON does not have, are null.
  std::string json() const;

 private:
  void append_json(std::string& out) const;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, Vector, Array, Object> value_;
};

struct TaskField {
  std::string name;
  TaskValue value;
};

}  // namespace attend
