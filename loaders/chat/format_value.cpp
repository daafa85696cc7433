// Python's format specifications ("{:>8.2f}") and printf-style formatting ("%5d").
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "loaders/chat/operations.h"
#include "loaders/chat/text_operations.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

constexpr std::int64_t kMaxWidth = 1 << 20;

struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =
  char sign = '-';    // - + space
  bool alternate = false;
  char grouping = '\0';  // , or _
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = '\0';
};

bool is_align(char c) {
  return c == '<' || c == '>' || c == '^' || c == '=';
}

std::int64_t take_number(std::string_view& text) {
  std::int64_t number = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    number = number * 10 + (text[0] - '0');
    if (number > kMaxWidth) throw BudgetExceeded{"a format asks for more than 2^20 characters"};
    text.remove_prefix(1);
  }
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

Spec parse_spec(std::string_view text, const Value& value) {
  const std::string_view whole = text;
  Spec spec;
  const std::size_t first = text.empty() ? 0 : utf8_length(text[0]);
  if (first > 0 && text.size() > first && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == ' ')) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  spec.alternate = take(text, '#');
  if (text.starts_with('0')) {
    if (spec.align == '\0') {
      spec.fill = "0";
      spec.align = '=';
    }
    text.remove_prefix(1);
  }
  spec.width = take_number(text);
  if (!text.empty() && (text[0] == ',' || text[0] == '_')) {
    spec.grouping = text[0];
    text.remove_prefix(1);
  }
  if (take(text, '.')) {
    if (text.empty() || text[0] < '0' || text[0] > '9')
      throw RuntimeFailure{"Format specifier missing precision"};
    spec.precision = take_number(text);
  }
  if (text.size() > 1) {
    throw RuntimeFailure{
        fmt::format("Invalid format specifier '{}' for object of type '{}'", whole, value.type_name())};
  }
  if (!text.empty()) spec.type = text[0];
  return spec;
}

std::string group_digits(std::string_view digits, char separator, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out;
}

// Puts sign, padding and digits together.
std::string place(std::string_view sign, std::string digits, const Spec& spec, char default_align,
                  Budget& budget) {
  const char align = spec.align != '\0' ? spec.align : default_align;
  if (align == '=') {
    const std::int64_t width = spec.width - static_cast<std::int64_t>(sign.size());
    return std::string(sign) + pad(digits, width, spec.fill, 1, budget);
  }
  const std::string text = std::string(sign) + digits;
  if (align == '<') return pad(text, spec.width, spec.fill, 0, budget);
  if (align == '>') return pad(text, spec.width, spec.fill, 1, budget);
  const std::int64_t missing = std::max<std::int64_t>(0, spec.width - code_points(text));
  return pad(pad(text, code_points(text) + missing / 2, spec.fill, 1, budget), spec.width, spec.fill, 0,
             budget);
}

std::string sign_of(bool negative, const Spec& spec) {
  if (negative) return "-";
  return spec.sign == '-' ? std::string() : std::string(1, spec.sign);
}

std::string format_integer(std::int64_t value, const Spec& spec, Budget& budget) {
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (spec.precision >= 0) throw RuntimeFailure{"Precision not allowed in integer format specifier"};
  std::string digits;
  std::string prefix;
  switch (spec.type) {
    case '\0':
    case 'd':
    case 'n': digits = fmt::format("{}", magnitude); break;
    case 'b': digits = fmt::format("{:b}", magnitude), prefix = "0b"; break;
    case 'o': digits = fmt::format("{:o}", magnitude), prefix = "0o"; break;
    case 'x': digits = fmt::format("{:x}", magnitude), prefix = "0x"; break;
    case 'X': digits = fmt::format("{:X}", magnitude), prefix = "0X"; break;
    case 'c':
      if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        throw RuntimeFailure{"%c arg not in range(0x110000)"};
      }
      append_utf8(digits, static_cast<char32_t>(value));
      return place("", digits, spec, '<', budget);
    default:
      throw RuntimeFailure{fmt::format("Unknown format code '{}' for object of type 'int'", spec.type)};
  }
  if (spec.grouping != '\0') digits = group_digits(digits, spec.grouping, prefix.empty() ? 3 : 4);
  return place(sign_of(negative, spec) + (spec.alternate ? prefix : ""), digits, spec, '>', budget);
}

std::string exponent_digits(double value, std::int64_t precision, char type) {
  std::string text = fmt::format("{:.{}e}", value, precision);
  if (type == 'E')
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c == 'e' ? 'E' : c; });
  return text;
}

std::string general_digits(double value, const Spec& spec) {
  const std::int64_t precision = spec.precision == 0 ? 1 : spec.precision < 0 ? 6 : spec.precision;
  std::string text =
      spec.alternate ? fmt::format("{:#.{}g}", value, precision) : fmt::format("{:.{}g}", value, precision);
  if (spec.type == 'G')
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c == 'e' ? 'E' : c; });
  return text;
}

std::string format_float(double value, const Spec& spec, Budget& budget) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::abs(value);
  const std::int64_t precision = spec.precision < 0 ? 6 : spec.precision;
  std::string digits;
  std::string suffix;
  if (std::isnan(value) || std::isinf(value)) {
    digits = std::isnan(value) ? "nan" : "inf";
    if (spec.type == 'F' || spec.type == 'E' || spec.type == 'G') digits = std::isnan(value) ? "NAN" : "INF";
    if (spec.type == '%') suffix = "%";
  } else {
    switch (spec.type) {
      case '\0':
        digits = spec.precision < 0 ? float_repr(magnitude) : general_digits(magnitude, spec);
        if (spec.precision >= 0 && digits.find_first_of(".e") == std::string::npos) digits += ".0";
        break;
      case 'f':
      case 'F': digits = fmt::format("{:.{}f}", magnitude, precision); break;
      case 'e':
      case 'E': digits = exponent_digits(magnitude, precision, spec.type); break;
      case 'g':
      case 'G':
      case 'n': digits = general_digits(magnitude, spec); break;
      case '%':
        digits = fmt::format("{:.{}f}", magnitude * 100, precision);
        suffix = "%";
        break;
      default:
        throw RuntimeFailure{fmt::format("Unknown format code '{}' for object of type 'float'", spec.type)};
    }
  }
  if (spec.grouping != '\0') {
    const std::size_t whole = std::min(digits.find_first_of(".e"), digits.size());
    digits = group_digits(std::string_view(digits).substr(0, whole), spec.grouping, 3) + digits.substr(whole);
  }
  return place(sign_of(negative, spec), digits + suffix, spec, '>', budget);
}

}  // namespace

std::string format_value(const Value& value, std::string_view text, Budget& budget) {
  if (text.empty()) return value.str();
  const Spec spec = parse_spec(text, value);
  if (value.is_string()) {
    if (spec.type != '\0' && spec.type != 's') {
      throw RuntimeFailure{fmt::format("Unknown format code '{}' for object of type 'str'", spec.type)};
    }
    if (spec.align == '=') throw RuntimeFailure{"'=' alignment not allowed in string format specifier"};
    std::string_view shown = value.string();
    if (spec.precision >= 0) shown = shown.substr(0, byte_offset(shown, spec.precision));
    return place("", std::string(shown), spec, '<', budget);
  }
  if (value.is_integer()) {
    const bool as_float =
        spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
    return as_float ? format_float(value.floating(), spec, budget)
                    : format_integer(value.integer(), spec, budget);
  }
  if (value.is_number()) return format_float(value.floating(), spec, budget);
  throw RuntimeFailure{fmt::format("unsupported format string passed to {}.__format__", value.type_name())};
}

namespace {

class PercentFormat {
 public:
  PercentFormat(std::string_view format, const Value& values, bool escapes, Budget& budget)
      : rest_(format), values_(values), escapes_(escapes), budget_(budget) {}

  std::string run() {
    std::string out;
    while (!rest_.empty()) {
      const std::size_t percent = std::min(rest_.find('%'), rest_.size());
      out += rest_.substr(0, percent);
      rest_.remove_prefix(percent);
      if (!rest_.empty()) {
        rest_.remove_prefix(1);
        out += directive();
      }
      if (out.size() > Budget::kMaxTextBytes) budget_.text(out.size());
    }
    const bool all_used =
        named_ || values_.is_dict() ||
        (values_.type() == Value::Type::tuple ? used_ == values_.items().size() : used_ == 1);
    if (!all_used) throw RuntimeFailure{"not all arguments converted during string formatting"};
    budget_.text(out.size());
    return out;
  }

 private:
  Value next_value() {
    const bool tuple = values_.type() == Value::Type::tuple;
    if (tuple ? used_ >= values_.items().size() : used_ >= 1)
      throw RuntimeFailure{"not enough arguments for format string"};
    return tuple ? values_.items()[used_++] : (++used_, values_);
  }

  std::string directive() {
    std::optional<Value> named;
    if (take(rest_, '(')) {
      const std::size_t end = rest_.find(')');
      if (end == std::string_view::npos) throw RuntimeFailure{"incomplete format key"};
      if (!values_.is_dict()) throw RuntimeFailure{"format requires a mapping"};
      const Value* found = values_.dict().find(rest_.substr(0, end));
      if (found == nullptr) throw RuntimeFailure{string_repr(rest_.substr(0, end))};
      named = *found;
      named_ = true;
      rest_.remove_prefix(end + 1);
    }
    Spec spec;
    bool left = false;
    bool zero = false;
    for (bool flag = true; flag;) {
      flag = false;
      if (take(rest_, '-')) flag = left = true;
      if (take(rest_, '0')) flag = zero = true;
      if (take(rest_, '+')) flag = true, spec.sign = '+';
      if (take(rest_, '#')) flag = spec.alternate = true;
      if (take(rest_, ' ')) {
        flag = true;
        if (spec.sign != '+') spec.sign = ' ';
      }
    }
    spec.width = take(rest_, '*') ? star() : take_number(rest_);
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (take(rest_, '.'))
      spec.precision = take(rest_, '*') ? std::max<std::int64_t>(0, star()) : take_number(rest_);
    while (!rest_.empty() && (rest_[0] == 'l' || rest_[0] == 'h' || rest_[0] == 'L')) rest_.remove_prefix(1);
    if (rest_.empty()) throw RuntimeFailure{"incomplete format"};
    spec.type = rest_[0];
    rest_.remove_prefix(1);
    if (spec.type == '%') return "%";
    spec.align = left ? '<' : '>';
    return convert(spec, named ? *named : next_value(), zero && !left);
  }

  std::int64_t star() {
    const Value value = next_value();
    if (!value.is_integer()) throw RuntimeFailure{"* wants int"};
    if (value.integer() > kMaxWidth || value.integer() < -kMaxWidth) {
      throw BudgetExceeded{"a format asks for more than 2^20 characters"};
    }
    return value.integer();
  }

  std::string convert(Spec spec, const Value& value, bool zero) {
    const char type = spec.type;
    if (type == 's' || type == 'r' || type == 'a') {
      std::string text = type == 's' ? value.str() : value.repr();
      if (escapes_ && !value.is_markup()) text = escape_html(text);
      const std::string_view shown =
          spec.precision >= 0 ? std::string_view(text).substr(0, byte_offset(text, spec.precision)) : text;
      return place("", std::string(shown), spec, '>', budget_);
    }
    if (type == 'c' && value.is_string()) {
      if (code_points(value.string()) != 1) throw RuntimeFailure{"%c requires int or char"};
      return place("", value.string(), spec, '>', budget_);
    }
    if (std::string_view("diuxXoc").find(type) != std::string_view::npos)
      return convert_integer(spec, value, zero);
    if (std::string_view("eEfFgG").find(type) == std::string_view::npos) {
      throw RuntimeFailure{fmt::format("unsupported format character '{}' (0x{:x}) at index 0", type,
                                       static_cast<unsigned>(static_cast<unsigned char>(type)))};
    }
    if (!value.is_number())
      throw RuntimeFailure{fmt::format("must be real number, not {}", value.type_name())};
    if (zero) spec.fill = "0", spec.align = '=';
    return format_float(value.floating(), spec, budget_);
  }

  std::string convert_integer(Spec spec, const Value& value, bool zero) {
    const bool truncates = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
    if (!value.is_integer() && !(truncates && value.is_number())) {
      throw RuntimeFailure{
          truncates
              ? fmt::format("%{} format: a real number is required, not {}", spec.type, value.type_name())
              : fmt::format("%{} format: an integer is required, not {}", spec.type, value.type_name())};
    }
    std::int64_t number = 0;
    if (value.is_integer()) {
      number = value.integer();
    } else if (std::abs(value.floating()) < 9.2e18) {
      number = static_cast<std::int64_t>(value.floating());
    } else {
      throw RuntimeFailure{"integers beyond 64 bits are not supported"};
    }
    if (truncates) spec.type = 'd';
    const std::int64_t digits = std::exchange(spec.precision, -1);
    if (zero && digits < 0) spec.fill = "0", spec.align = '=';
    if (digits <= 0) return format_integer(number, spec, budget_);
    // A precision is the least number of digits.
    Spec inner = spec;
    inner.width = digits + (number < 0 || spec.sign != '-' ? 1 : 0);
    inner.fill = "0";
    inner.align = '=';
    return place("", format_integer(number, inner, budget_), spec, '>', budget_);
  }

  std::string_view rest_;
  const Value& values_;
  bool escapes_;
  Budget& budget_;
  std::size_t used_ = 0;
  bool named_ = false;
};

}  // namespace

std::string percent_format(std::string_view format, const Value& values, bool escapes, Budget& budget) {
  return PercentFormat(format, values, escapes, budget).run();
}

}  // namespace attend::jinja
