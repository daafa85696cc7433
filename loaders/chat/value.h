// Values of the template language: Python's, as far as Jinja templates can see them. Values never change
// once they are made (the sandbox allows no mutation), so copies share what they hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "loaders/files/json.h"

namespace attend::jinja {

class Interpreter;
class Value;
class Dict;

using List = std::vector<Value>;

// What a failed operation raises; the interpreter adds the place. `message` is the text that Python or
// Jinja2 gives.
struct RuntimeFailure {
  std::string message;
};

struct Undefined {
  std::string message;
};

// range(): its numbers are made when they are asked for.
struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t size() const;
  std::int64_t at(std::int64_t index) const { return start + index * step; }
};

// How deep containers may hold each other, and how many values one may hold in all, shared ones counted
// each time; beyond it a BudgetExceeded is thrown.
inline constexpr int kMaxValueDepth = 100;
inline constexpr std::uint64_t kMaxValueWeight = 1U << 23U;

// The extent of a value: what it costs to walk through it.
struct Extent {
  int depth = 0;             // of containers in it
  std::uint64_t weight = 1;  // values in it, long texts counted as several
  // Makes this the extent of a container that also holds a value of extent `inner`.
  void hold(const Extent& inner);
};

struct ListData {
  explicit ListData(List values);
  List items;
  Extent extent;
};

// What lazy filters return: usable once, without a length.
struct Generator {
  std::shared_ptr<const ListData> values;
  std::size_t next = 0;
  std::string type_name = "generator";
};

struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

// Values with behaviour of their own: functions, macros, namespaces, loops.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  // As object_type_repr() of Jinja2 names it in "... has no attribute".
  virtual std::string type_description() const { return std::string(type_name()) + " object"; }
  virtual std::string repr(int depth) const;
  virtual std::optional<Value> attribute(std::string_view name) const;
  virtual bool is_callable() const { return false; }
  virtual Value call(Interpreter& interpreter, Arguments& arguments);
  // With the values that it holds and cannot change.
  virtual Extent extent() const { return {}; }
  // The elements, for objects that can be iterated.
  virtual std::shared_ptr<const List> items() const { return nullptr; }
  virtual bool has_length() const { return false; }
};

struct TextData {
  std::string text;
  // Marked with `safe`: joined with +, other text is HTML-escaped, as Python's Markup does.
  bool markup = false;
};

struct TupleData : ListData {
  TupleData(List values, bool of_groupby);
  bool group;  // has the attributes `grouper` and `list`
};

class Value {
 public:
  enum class Type : std::uint8_t {
    undefined,
    none,
    boolean,
    integer,
    floating,
    string,
    list,
    tuple,
    dict,
    range,
    generator,
    object
  };

  Value() : data_(None{}) {}
  Value(bool value) : data_(value) {}  // NOLINT: values are written as literals throughout
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const TextData>(TextData{std::move(value)})) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(List items);
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(Dict dict);
  Value(Range range) : data_(range) {}
  Value(std::shared_ptr<Generator> generator) : data_(std::move(generator)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}
  static Value markup(std::string text) {
    return Value(std::make_shared<const TextData>(TextData{std::move(text), true}));
  }
  static Value undefined(std::string message) {
    return Value(std::make_shared<const Undefined>(Undefined{std::move(message)}));
  }
  static Value tuple(List items, bool group = false);
  static Value generator(List items, std::string type_name = "generator");
  static Value from_json(const JsonValue& json);

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_undefined() const { return type() == Type::undefined; }
  bool is_none() const { return type() == Type::none; }
  bool is_boolean() const { return type() == Type::boolean; }
  bool is_string() const { return type() == Type::string; }
  bool is_dict() const { return type() == Type::dict; }
  // True for booleans as well, as in Python.
  bool is_integer() const { return type() == Type::integer || type() == Type::boolean; }
  bool is_number() const { return is_integer() || type() == Type::floating; }

  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return is_boolean() ? boolean() : std::get<std::int64_t>(data_); }
  double floating() const { return is_integer() ? static_cast<double>(integer()) : std::get<double>(data_); }
  const std::string& string() const { return text_data().text; }
  bool is_markup() const { return is_string() && text_data().markup; }
  const TupleData& tuple() const { return *std::get<std::shared_ptr<const TupleData>>(data_); }
  // Elements of a list or tuple.
  const List& items() const { return *shared_items(); }
  std::shared_ptr<const List> shared_items() const;
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  const Range& range() const { return std::get<Range>(data_); }
  Generator& generator() const { return *std::get<std::shared_ptr<Generator>>(data_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(data_); }
  const std::shared_ptr<Object>& object_pointer() const { return std::get<std::shared_ptr<Object>>(data_); }
  const std::string& undefined_message() const {
    return std::get<std::shared_ptr<const Undefined>>(data_)->message;
  }

  // The name of the Python type: `str`, `NoneType`, `list` ...
  std::string type_name() const;
  // The type as Jinja2's messages about missing attributes name it: `dict object`, `None` ...
  std::string type_description() const;
  bool truthy() const;
  Extent extent() const;
  // Python's str() and repr(). `depth` counts the containers around it.
  std::string str() const;
  std::string repr(int depth = 0) const;
  // Python's `is`.
  bool same_as(const Value& other) const;

 private:
  struct None {};
  const TextData& text_data() const { return *std::get<std::shared_ptr<const TextData>>(data_); }
  explicit Value(std::shared_ptr<const Undefined> undefined) : data_(std::move(undefined)) {}
  explicit Value(std::shared_ptr<const TextData> text) : data_(std::move(text)) {}
  explicit Value(std::shared_ptr<const TupleData> tuple) : data_(std::move(tuple)) {}

  // In the order of Type.
  std::variant<std::shared_ptr<const Undefined>, None, bool, std::int64_t, double,
               std::shared_ptr<const TextData>, std::shared_ptr<const ListData>,
               std::shared_ptr<const TupleData>, std::shared_ptr<const Dict>, Range,
               std::shared_ptr<Generator>, std::shared_ptr<Object>>
      data_;
};

// Python's dict: in the order of insertion, keys of any hashable type.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  // Throws RuntimeFailure for keys that cannot be hashed.
  void set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  const Extent& extent() const { return extent_; }
  std::size_t size() const { return entries_.size(); }

 private:
  const Value* find_hashed(std::size_t hash, const Value& key) const;

  std::vector<Entry> entries_;
  Extent extent_{.depth = 1};
  std::unordered_multimap<std::size_t, std::size_t> index_;  // hash of the key -> entry
};

// An integer of a JSON text that does not fit 64 bits. It can be printed and compared, not computed with.
class BigInteger final : public Object {
 public:
  explicit BigInteger(std::string digits) : digits_(std::move(digits)) {}
  std::string_view type_name() const override { return "int"; }
  std::string repr(int) const override { return digits_; }

 private:
  std::string digits_;
};

// Python's repr() of a float: the shortest digits that read back as the same number.
std::string float_repr(double value);
// Python's repr() of text: quotes, escapes, non-printable characters as \x, \u, \U.
std::string string_repr(std::string_view text);

// &, <, >, ' and " as HTML entities.
std::string escape_html(std::string_view text);

// Python's hash(), as far as equal values have equal ones. Throws RuntimeFailure "unhashable type: 'list'".
std::size_t hash_of(const Value& value);

}  // namespace attend::jinja
