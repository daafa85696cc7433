// Python's operators on template values. Failures are RuntimeFailure with Python's text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loaders/chat/budget.h"
#include "loaders/chat/value.h"

namespace attend::jinja {

enum class BinaryOperator : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  contained,
  not_contained
};

Value binary(BinaryOperator op, const Value& left, const Value& right, Budget& budget);
Value negate(const Value& value);
Value positive(const Value& value);

bool equal(const Value& left, const Value& right);
bool compare(Comparison op, const Value& left, const Value& right, Budget& budget);
// `<` of Python, for sorting.
bool less(const Value& left, const Value& right);
bool contains(const Value& container, const Value& item, Budget& budget);

// Elements that stay alive while they are iterated.
class Items {
 public:
  explicit Items(std::shared_ptr<const List> list) : list_(std::move(list)) {}
  auto begin() const { return list_->begin(); }
  auto end() const { return list_->end(); }
  const List& operator*() const { return *list_; }
  const List* operator->() const { return list_.get(); }
  const std::shared_ptr<const List>& shared() const { return list_; }

 private:
  std::shared_ptr<const List> list_;
};

// The elements of anything that can be iterated; a generator is used up. RuntimeFailure "'int' object is not
// iterable".
Items iterate(const Value& value, Budget& budget);
bool is_iterable(const Value& value);
// len(); RuntimeFailure "object of type 'int' has no len()".
std::int64_t length(const Value& value, Budget& budget);

// obj[index] of Python; nothing where Python raises TypeError or LookupError.
std::optional<Value> subscript(const Value& object, const Value& index, Budget& budget);
// obj[start:stop:step]; nothing for objects that cannot be sliced.
std::optional<Value> slice(const Value& object, const Value& start, const Value& stop, const Value& step,
                           Budget& budget);

// "%s and %d" % values; with `escapes` the texts that are filled in are HTML-escaped.
std::string percent_format(std::string_view format, const Value& values, bool escapes, Budget& budget);
// format(value, spec) of Python for text, integers and floats.
std::string format_value(const Value& value, std::string_view spec, Budget& budget);

// json.dumps with ensure_ascii=False as transformers' tojson calls it. `indent` is none, a number or text.
struct JsonDumpOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string dump_json(const Value& value, const JsonDumpOptions& options, Budget& budget);

// [start, stop) of a slice over `size` elements, and its step, with Python's clipping.
struct SliceRange {
  std::int64_t start = 0, step = 1, count = 0;
};
SliceRange clip_slice(const Value& start, const Value& stop, const Value& step, std::int64_t size);

}  // namespace attend::jinja
