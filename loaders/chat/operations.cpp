#include "loaders/chat/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

using Type = Value::Type;

constexpr const char* kOverflow = "integers beyond 64 bits are not supported";

std::string_view symbol(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::add: return "+";
    case BinaryOperator::subtract: return "-";
    case BinaryOperator::multiply: return "*";
    case BinaryOperator::divide: return "/";
    case BinaryOperator::floor_divide: return "//";
    case BinaryOperator::modulo: return "%";
    case BinaryOperator::power: return "** or pow()";
  }
  return "?";
}

void fail_if_undefined(const Value& value) {
  if (value.is_undefined()) throw RuntimeFailure{value.undefined_message()};
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) throw RuntimeFailure{kOverflow};
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      throw RuntimeFailure{kOverflow};
    }
  }
  return result;
}

Value integer_operation(BinaryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOperator::add:
      if (__builtin_add_overflow(a, b, &result)) throw RuntimeFailure{kOverflow};
      return result;
    case BinaryOperator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) throw RuntimeFailure{kOverflow};
      return result;
    case BinaryOperator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) throw RuntimeFailure{kOverflow};
      return result;
    case BinaryOperator::divide:
      if (b == 0) throw RuntimeFailure{"division by zero"};
      return static_cast<double>(a) / static_cast<double>(b);
    case BinaryOperator::floor_divide:
    case BinaryOperator::modulo: {
      if (b == 0)
        throw RuntimeFailure{op == BinaryOperator::modulo ? "integer modulo by zero"
                                                          : "integer division or modulo by zero"};
      if (b == -1) return op == BinaryOperator::modulo ? Value(std::int64_t{0}) : negate(a);
      const std::int64_t remainder = a % b;
      const bool shift = remainder != 0 && (remainder < 0) != (b < 0);
      return op == BinaryOperator::modulo ? (shift ? remainder + b : remainder) : a / b - (shift ? 1 : 0);
    }
    case BinaryOperator::power:
      if (b < 0) {
        if (a == 0) throw RuntimeFailure{"0.0 cannot be raised to a negative power"};
        return std::pow(static_cast<double>(a), static_cast<double>(b));
      }
      return integer_power(a, b);
  }
  return {};
}

Value floating_operation(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::add: return a + b;
    case BinaryOperator::subtract: return a - b;
    case BinaryOperator::multiply: return a * b;
    case BinaryOperator::divide:
      if (b == 0) throw RuntimeFailure{"float division by zero"};
      return a / b;
    case BinaryOperator::floor_divide:
    case BinaryOperator::modulo: {
      if (b == 0)
        throw RuntimeFailure{op == BinaryOperator::modulo ? "float modulo" : "float floor division by zero"};
      double remainder = std::fmod(a, b);
      double quotient = (a - remainder) / b;
      if (remainder != 0 && (remainder < 0) != (b < 0)) {
        remainder += b;
        quotient -= 1;
      }
      if (op == BinaryOperator::modulo) return remainder == 0 ? std::copysign(0.0, b) : remainder;
      if (quotient == 0) return std::copysign(0.0, a / b);
      const double floor = std::floor(quotient);
      return quotient - floor > 0.5 ? floor + 1 : floor;
    }
    case BinaryOperator::power: {
      if (a == 0 && b < 0) throw RuntimeFailure{"0.0 cannot be raised to a negative power"};
      const double power = std::pow(a, b);
      if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
        throw RuntimeFailure{"complex numbers are not supported"};
      }
      if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) {
        throw RuntimeFailure{"(34, 'Numerical result out of range')"};
      }
      return power;
    }
  }
  return {};
}

bool is_list_like(const Value& value) {
  return value.type() == Type::list || value.type() == Type::tuple;
}

Value repeat(const Value& value, std::int64_t count, Budget& budget) {
  count = std::max<std::int64_t>(count, 0);
  const std::size_t size = value.is_string() ? value.string().size() : value.items().size();
  if (size > 0 && static_cast<std::uint64_t>(count) > Budget::kMaxTextBytes / size)
    budget.text(Budget::kMaxTextBytes + 1);
  if (value.is_string()) {
    budget.text(size * static_cast<std::size_t>(count));
    std::string text;
    for (std::int64_t i = 0; size > 0 && i < count; ++i) text += value.string();
    return value.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
  }
  budget.step(size * static_cast<std::size_t>(count));
  List items;
  for (std::int64_t i = 0; size > 0 && i < count; ++i)
    items.insert(items.end(), value.items().begin(), value.items().end());
  return value.type() == Type::list ? Value(std::move(items)) : Value::tuple(std::move(items));
}

Value concatenate(const Value& left, const Value& right, Budget& budget) {
  if (left.is_string()) {
    budget.text(left.string().size() + right.string().size());
    if (!left.is_markup() && !right.is_markup()) return left.string() + right.string();
    const auto escaped = [](const Value& text) {
      return text.is_markup() ? text.string() : escape_html(text.string());
    };
    std::string joined = escaped(left) + escaped(right);
    budget.text(joined.size());
    return Value::markup(std::move(joined));
  }
  budget.step(left.items().size() + right.items().size());
  List items = left.items();
  items.insert(items.end(), right.items().begin(), right.items().end());
  return left.type() == Type::list ? Value(std::move(items)) : Value::tuple(std::move(items));
}

}  // namespace

Value binary(BinaryOperator op, const Value& left, const Value& right, Budget& budget) {
  if (op == BinaryOperator::modulo && left.is_string()) {
    // An undefined right side takes the operation over, as Python asks it first.
    fail_if_undefined(right);
    if (left.is_markup()) return Value::markup(percent_format(left.string(), right, true, budget));
    return percent_format(left.string(), right, false, budget);
  }
  fail_if_undefined(left);
  fail_if_undefined(right);
  if (left.is_integer() && right.is_integer()) return integer_operation(op, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return floating_operation(op, left.floating(), right.floating());
  if (op == BinaryOperator::add) {
    const bool sequence = left.is_string() || is_list_like(left);
    if (sequence && left.type() == right.type()) return concatenate(left, right, budget);
    if (sequence) {
      throw RuntimeFailure{fmt::format("can only concatenate {} (not \"{}\") to {}", left.type_name(),
                                       right.type_name(), left.type_name())};
    }
  }
  if (op == BinaryOperator::multiply) {
    const auto repeatable = [](const Value& value) { return value.is_string() || is_list_like(value); };
    if (repeatable(left) && right.is_integer()) return repeat(left, right.integer(), budget);
    if (repeatable(right) && left.is_integer()) return repeat(right, left.integer(), budget);
    if (repeatable(left) || repeatable(right)) {
      throw RuntimeFailure{fmt::format("can't multiply sequence by non-int of type '{}'",
                                       (repeatable(left) ? right : left).type_name())};
    }
  }
  throw RuntimeFailure{fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op),
                                   left.type_name(), right.type_name())};
}

Value negate(const Value& value) {
  fail_if_undefined(value);
  if (value.is_integer()) {
    if (value.integer() == std::numeric_limits<std::int64_t>::min()) throw RuntimeFailure{kOverflow};
    return -value.integer();
  }
  if (value.is_number()) return -value.floating();
  throw RuntimeFailure{fmt::format("bad operand type for unary -: '{}'", value.type_name())};
}

Value positive(const Value& value) {
  fail_if_undefined(value);
  if (value.is_integer()) return value.integer();
  if (value.is_number()) return value;
  throw RuntimeFailure{fmt::format("bad operand type for unary +: '{}'", value.type_name())};
}

bool equal(const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return left.integer() == right.integer();
  if (left.is_number() && right.is_number()) return left.floating() == right.floating();
  if (left.type() != right.type()) return false;
  switch (left.type()) {
    case Type::undefined:
    case Type::none: return true;
    case Type::string: return left.string() == right.string();
    case Type::list:
    case Type::tuple:
      return std::equal(left.items().begin(), left.items().end(), right.items().begin(), right.items().end(),
                        equal);
    case Type::dict: {
      if (left.dict().size() != right.dict().size()) return false;
      return std::all_of(left.dict().entries().begin(), left.dict().entries().end(),
                         [&](const Dict::Entry& entry) {
                           const Value* other = right.dict().find(entry.first);
                           return other != nullptr && equal(entry.second, *other);
                         });
    }
    case Type::range: {
      const Range& a = left.range();
      const Range& b = right.range();
      return a.size() == b.size() &&
             (a.size() == 0 || (a.start == b.start && (a.size() == 1 || a.step == b.step)));
    }
    case Type::generator: return &left.generator() == &right.generator();
    case Type::object:
      return &left.object() == &right.object() ||
             (left.type_name() == "int" && right.type_name() == "int" && left.repr() == right.repr());
    default: return false;
  }
}

namespace {

// Whether `left op right` holds for one of < <= > >=.
bool ordered(Comparison op, const Value& left, const Value& right) {
  const auto holds = [op](const auto& a, const auto& b) {
    switch (op) {
      case Comparison::less: return a < b;
      case Comparison::less_equal: return a <= b;
      case Comparison::greater: return a > b;
      default: return a >= b;
    }
  };
  fail_if_undefined(left);
  fail_if_undefined(right);
  if (left.is_integer() && right.is_integer()) return holds(left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return holds(left.floating(), right.floating());
  if (left.is_string() && right.is_string()) return holds(left.string(), right.string());
  if (is_list_like(left) && left.type() == right.type()) {
    const List& a = left.items();
    const List& b = right.items();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (!equal(a[i], b[i])) return ordered(op, a[i], b[i]);
    }
    return holds(a.size(), b.size());
  }
  const char* text = op == Comparison::less         ? "<"
                     : op == Comparison::less_equal ? "<="
                     : op == Comparison::greater    ? ">"
                                                    : ">=";
  throw RuntimeFailure{fmt::format("'{}' not supported between instances of '{}' and '{}'", text,
                                   left.type_name(), right.type_name())};
}

}  // namespace

bool less(const Value& left, const Value& right) {
  return ordered(Comparison::less, left, right);
}

bool compare(Comparison op, const Value& left, const Value& right, Budget& budget) {
  budget.step(std::min(left.extent().weight, right.extent().weight) - 1);
  switch (op) {
    case Comparison::equal: return equal(left, right);
    case Comparison::not_equal: return !equal(left, right);
    case Comparison::contained: return contains(right, left, budget);
    case Comparison::not_contained: return !contains(right, left, budget);
    default: return ordered(op, left, right);
  }
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (container.is_string()) {
    if (!item.is_string()) {
      throw RuntimeFailure{
          fmt::format("'in <string>' requires string as left operand, not {}", item.type_name())};
    }
    budget.text(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_dict()) {
    budget.step(item.extent().weight);
    return container.dict().find(item) != nullptr;
  }
  if (container.type() == Type::range) {
    const Range& range = container.range();
    if (!item.is_integer()) return false;
    const std::int64_t number = item.integer();
    const bool inside = range.step > 0 ? number >= range.start && number < range.stop
                                       : number <= range.start && number > range.stop;
    return inside && (number - range.start) % range.step == 0;
  }
  if (!is_iterable(container)) {
    throw RuntimeFailure{fmt::format("argument of type '{}' is not iterable", container.type_name())};
  }
  budget.step(container.extent().weight);
  const auto items = iterate(container, budget);
  return std::any_of(items->begin(), items->end(), [&](const Value& value) { return equal(value, item); });
}

}  // namespace attend::jinja
