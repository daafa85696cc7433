// The filters and tests of Jinja2, and `tojson` as transformers defines it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/chat/value.h"

namespace attend::jinja {

class Interpreter;

// Arguments matched with parameter names.
class BoundArguments {
 public:
  // `function` names it in messages. RuntimeFailure for unknown, missing or too many arguments.
  BoundArguments(std::string_view function, std::initializer_list<std::string_view> names,
                 std::size_t required, Arguments& arguments);

  bool has(std::size_t index) const { return index < values_.size() && values_[index].has_value(); }
  const Value& operator[](std::size_t index) const { return *values_[index]; }
  Value value_or(std::size_t index, Value otherwise) const {
    return has(index) ? *values_[index] : std::move(otherwise);
  }
  bool truthy(std::size_t index) const { return has(index) && values_[index]->truthy(); }
  // RuntimeFailure for anything but an integer.
  std::int64_t integer_or(std::size_t index, std::int64_t otherwise) const;
  // str() of the argument.
  std::string text_or(std::size_t index, std::string otherwise) const;

 private:
  std::string_view function_;
  std::vector<std::optional<Value>> values_;
};

struct FilterFunction {
  std::string_view name;
  Value (*apply)(Interpreter& interpreter, const Value& input, Arguments& arguments);
};

struct TestFunction {
  std::string_view name;
  bool (*apply)(Interpreter& interpreter, const Value& input, Arguments& arguments);
};

// Null when there is no such filter or test.
const FilterFunction* find_filter(std::string_view name);
const TestFunction* find_test(std::string_view name);

// The parts of the filter table.
std::span<const FilterFunction> text_filters();
std::span<const FilterFunction> sequence_filters();
std::span<const FilterFunction> number_filters();

}  // namespace attend::jinja
