// Filters on numbers, and the look-up of all filters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "loaders/chat/filters.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/operations.h"
#include "loaders/tokenizers/python_text.h"

namespace attend::jinja {
namespace {

// Digits without the underscores that Python allows between them; nothing when they are misplaced.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || text[i - 1] == '_' || text[i + 1] == '_') {
      return std::nullopt;
    }
  }
  return out;
}

// int(text, base) of Python.
std::optional<std::int64_t> parse_integer(std::string_view text, std::int64_t base) {
  text = python_strip(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto prefixed = [&](std::string_view lower, std::string_view upper, std::int64_t prefix_base) {
    if ((base != prefix_base && base != 0) || !(text.starts_with(lower) || text.starts_with(upper))) return;
    text.remove_prefix(2);
    if (text.starts_with('_')) text.remove_prefix(1);
    base = prefix_base;
  };
  prefixed("0x", "0X", 16);
  prefixed("0o", "0O", 8);
  prefixed("0b", "0B", 2);
  if (base == 0) base = 10;
  const auto digits = without_underscores(text);
  if (!digits || digits->empty() || base < 2 || base > 36 || digits->front() == '-') return std::nullopt;
  std::int64_t value = 0;
  const std::string signed_digits = (negative ? "-" : "") + *digits;
  const char* end = signed_digits.data() + signed_digits.size();
  const auto parsed = std::from_chars(signed_digits.data(), end, value, static_cast<int>(base));
  if (parsed.ec == std::errc::result_out_of_range)
    throw RuntimeFailure{"integers beyond 64 bits are not supported"};
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

// float(text) of Python.
std::optional<double> parse_float(std::string_view text) {
  text = python_strip(text);
  const auto digits = without_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  std::string_view rest = *digits;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest.starts_with('+')) return std::nullopt;
  double value = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (parsed.ptr != rest.data() + rest.size()) return std::nullopt;
  if (parsed.ec == std::errc::result_out_of_range) return std::strtod(std::string(rest).c_str(), nullptr);
  return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> truncate_to_integer(double value) {
  if (std::isnan(value) || std::isinf(value)) return std::nullopt;
  if (std::abs(value) >= 9.2233720368547758e18)
    throw RuntimeFailure{"integers beyond 64 bits are not supported"};
  return static_cast<std::int64_t>(value);
}

Value filter_int(Interpreter&, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_int", {"default", "base"}, 0, arguments);
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  std::optional<std::int64_t> number;
  if (input.is_string()) {
    number = parse_integer(input.string(), args.integer_or(1, 10));
    if (!number) {
      // "42.23" gives 42.
      if (const auto value = parse_float(input.string())) number = truncate_to_integer(*value);
    }
  } else if (input.is_integer()) {
    number = input.integer();
  } else if (input.is_number()) {
    if (std::isinf(input.floating())) throw RuntimeFailure{"cannot convert float infinity to integer"};
    number = truncate_to_integer(input.floating());
  } else if (input.type_name() == "int") {
    return input;
  }
  return number ? Value(*number) : args.value_or(0, std::int64_t{0});
}

Value filter_float(Interpreter&, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_float", {"default"}, 0, arguments);
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  if (input.is_number()) return input.floating();
  if (input.is_string()) {
    if (const auto value = parse_float(input.string())) return *value;
  }
  return args.value_or(0, 0.0);
}

Value filter_abs(Interpreter&, const Value& input, Arguments&) {
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  if (!input.is_number())
    throw RuntimeFailure{fmt::format("bad operand type for abs(): '{}'", input.type_name())};
  if (!input.is_integer()) return std::abs(input.floating());
  return input.integer() < 0 ? negate(input) : Value(input.integer());
}

// Half to even on the exact decimal value, as Python's round().
double round_to(double value, std::int64_t precision) {
  if (std::isnan(value) || std::isinf(value) || precision > 300) return value;
  if (precision < -300) return std::copysign(0.0, value);
  if (precision >= 0) {
    const std::string text = fmt::format("{:.{}f}", value, precision);
    double rounded = 0;
    std::from_chars(text.data(), text.data() + text.size(), rounded);
    return rounded;
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

Value filter_round(Interpreter&, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_round", {"precision", "method"}, 0, arguments);
  const std::int64_t precision = args.integer_or(0, 0);
  const std::string method = args.text_or(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    throw RuntimeFailure{"method must be common, ceil or floor"};
  }
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  if (!input.is_number()) {
    throw RuntimeFailure{fmt::format("type {} doesn't define __round__ method", input.type_name())};
  }
  if (method == "common") {
    if (input.is_integer()) {
      return precision >= 0 ? Value(input.integer())
                            : Value(static_cast<std::int64_t>(round_to(input.floating(), precision)));
    }
    return round_to(input.floating(), precision);
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.floating() * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value filter_sum(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_sum", {"attribute", "start"}, 0, arguments);
  Value total = args.value_or(1, std::int64_t{0});
  if (total.is_string()) throw RuntimeFailure{"sum() can't sum strings [use ''.join(seq) instead]"};
  Value items = input;
  if (args.has(0) && !args[0].is_none()) {
    Arguments by_attribute;
    by_attribute.keywords.emplace_back("attribute", args[0]);
    items = interpreter.apply_filter("map", input, by_attribute);
  }
  for (const Value& item : iterate(items, interpreter.budget())) {
    interpreter.budget().step();
    total = binary(BinaryOperator::add, total, item, interpreter.budget());
  }
  return total;
}

Value filter_filesizeformat(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_filesizeformat", {"binary"}, 0, arguments);
  const bool binary_units = args.truthy(0);
  Arguments none;
  const double bytes = filter_float(interpreter, input, none).floating();
  const double base = binary_units ? 1024 : 1000;
  if (bytes == 1) return "1 Byte";
  if (bytes < base) return fmt::format("{} Bytes", static_cast<std::int64_t>(bytes));
  double unit = base * base;
  std::size_t prefix = 0;
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  while (bytes >= unit && prefix + 1 < kPrefixes.size()) {
    unit *= base;
    ++prefix;
  }
  const char letter = binary_units && prefix == 0 ? 'K' : kPrefixes[prefix];
  return fmt::format("{:.1f} {}{}B", base * bytes / unit, letter, binary_units ? "i" : "");
}

constexpr std::array<FilterFunction, 6> kNumberFilters{{
    {"int", filter_int},
    {"float", filter_float},
    {"abs", filter_abs},
    {"round", filter_round},
    {"sum", filter_sum},
    {"filesizeformat", filter_filesizeformat},
}};

}  // namespace

std::span<const FilterFunction> number_filters() {
  return kNumberFilters;
}

const FilterFunction* find_filter(std::string_view name) {
  for (const auto& part : {text_filters(), sequence_filters(), number_filters()}) {
    const auto found =
        std::find_if(part.begin(), part.end(), [&](const FilterFunction& f) { return f.name == name; });
    if (found != part.end()) return &*found;
  }
  return nullptr;
}

}  // namespace attend::jinja
