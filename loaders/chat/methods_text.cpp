// Methods of str.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "loaders/chat/filters.h"
#include "loaders/chat/objects.h"
#include "loaders/chat/operations.h"
#include "loaders/chat/python_unicode.h"
#include "loaders/chat/str_format.h"
#include "loaders/chat/text_operations.h"
#include "loaders/tokenizers/python_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

const std::string& text_argument(const BoundArguments& args, std::size_t index, std::string_view method) {
  if (args[index].is_undefined()) throw RuntimeFailure{args[index].undefined_message()};
  if (!args[index].is_string()) {
    throw RuntimeFailure{
        fmt::format("{}() argument {} must be str, not {}", method, index + 1, args[index].type_name())};
  }
  return args[index].string();
}

std::optional<std::string_view> optional_text(const BoundArguments& args, std::size_t index,
                                              std::string_view method) {
  if (!args.has(index) || args[index].is_none()) return std::nullopt;
  return text_argument(args, index, method);
}

List to_list(const std::vector<std::string_view>& parts, Budget& budget) {
  budget.step(parts.size());
  return {parts.begin(), parts.end()};
}

template <std::string (*mapping)(std::string_view)>
Value map_case(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("case", {}, 0, arguments);
  interpreter.budget().text(self.string().size());
  return mapping(self.string());
}

template <bool left, bool right>
Value method_strip(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("strip", {"chars"}, 0, arguments);
  const auto characters = optional_text(args, 0, "strip");
  interpreter.budget().text(self.string().size());
  if (characters) interpreter.budget().step(characters->size() / 8);
  return strip(self.string(), characters, left, right);
}

template <bool from_right>
Value method_split(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("split", {"sep", "maxsplit"}, 0, arguments);
  interpreter.budget().text(self.string().size());
  const auto separator = optional_text(args, 0, "split");
  const std::int64_t limit = args.integer_or(1, -1);
  return to_list(
      from_right ? split_right(self.string(), separator, limit) : split(self.string(), separator, limit),
      interpreter.budget());
}

Value method_splitlines(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("splitlines", {"keepends"}, 0, arguments);
  interpreter.budget().text(self.string().size());
  return to_list(split_lines(self.string(), args.truthy(0)), interpreter.budget());
}

template <bool from_right>
Value method_partition(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("partition", {"sep"}, 1, arguments);
  const std::string& text = self.string();
  const std::string& separator = text_argument(args, 0, "partition");
  if (separator.empty()) throw RuntimeFailure{"empty separator"};
  interpreter.budget().text(text.size());
  const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
  if (at == std::string::npos)
    return from_right ? Value::tuple({"", "", text}) : Value::tuple({text, "", ""});
  return Value::tuple({text.substr(0, at), separator, text.substr(at + separator.size())});
}

// The part of the text that the arguments from `index` on select, and where it begins in code points.
struct Part {
  std::string_view text;
  std::int64_t begin = 0;
  bool valid = true;  // false when it would begin behind the end
};

Part select(const std::string& text, const BoundArguments& args, std::size_t index, Budget& budget) {
  budget.text(text.size());
  const std::int64_t size = code_points(text);
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (!args.has(i) || args[i].is_none()) return otherwise;
    const std::int64_t value = args.integer_or(i, otherwise);
    return value < 0 ? std::max<std::int64_t>(0, value + size) : value;
  };
  const std::int64_t begin = bound(index, 0);
  const std::int64_t end = std::min(bound(index + 1, size), size);
  if (begin > end) return {{}, begin, false};
  const std::size_t first = byte_offset(text, begin);
  const std::size_t last = end == size ? text.size() : byte_offset(text, end);
  return {std::string_view(text).substr(first, last - first), begin, true};
}

template <bool from_right, bool must_exist>
Value method_find(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("find", {"sub", "start", "end"}, 1, arguments);
  const std::string& wanted = text_argument(args, 0, "find");
  const Part part = select(self.string(), args, 1, interpreter.budget());
  const std::size_t at = !part.valid  ? std::string_view::npos
                         : from_right ? part.text.rfind(wanted)
                                      : part.text.find(wanted);
  if (at != std::string_view::npos) return part.begin + code_points(part.text.substr(0, at));
  if (must_exist) throw RuntimeFailure{"substring not found"};
  return std::int64_t{-1};
}

Value method_count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("count", {"sub", "start", "end"}, 1, arguments);
  const std::string& wanted = text_argument(args, 0, "count");
  const Part part = select(self.string(), args, 1, interpreter.budget());
  if (!part.valid) return std::int64_t{0};
  if (wanted.empty()) return code_points(part.text) + 1;
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = part.text.find(wanted, at)) != std::string_view::npos; at += wanted.size())
    ++count;
  return count;
}

template <bool at_end>
Value method_affix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const char* name = at_end ? "endswith" : "startswith";
  const BoundArguments args(name, {"prefix", "start", "end"}, 1, arguments);
  if (args[0].is_undefined()) throw RuntimeFailure{args[0].undefined_message()};
  const List candidates = args[0].type() == Value::Type::tuple ? args[0].items() : List{args[0]};
  const Part part = select(self.string(), args, 1, interpreter.budget());
  bool found = false;
  for (const Value& candidate : candidates) {
    if (!candidate.is_string()) {
      throw RuntimeFailure{
          fmt::format("{} first arg must be str or a tuple of str, not {}", name, candidate.type_name())};
    }
    const bool fits =
        at_end ? part.text.ends_with(candidate.string()) : part.text.starts_with(candidate.string());
    found = found || (part.valid && fits);
  }
  return found;
}

template <bool suffix>
Value method_remove_affix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args(suffix ? "removesuffix" : "removeprefix", {"affix"}, 1, arguments);
  const std::string& affix = text_argument(args, 0, suffix ? "removesuffix" : "removeprefix");
  std::string_view text = self.string();
  interpreter.budget().text(text.size());
  if (suffix && text.ends_with(affix)) text.remove_suffix(affix.size());
  if (!suffix && text.starts_with(affix)) text.remove_prefix(affix.size());
  return text;
}

Value method_replace(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("replace", {"old", "new", "count"}, 2, arguments);
  return replace(self.string(), text_argument(args, 0, "replace"), text_argument(args, 1, "replace"),
                 args.integer_or(2, -1), interpreter.budget());
}

Value method_join(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("join", {"iterable"}, 1, arguments);
  if (!is_iterable(args[0])) throw RuntimeFailure{"can only join an iterable"};
  std::string text;
  std::size_t index = 0;
  for (const Value& item : iterate(args[0], interpreter.budget())) {
    interpreter.budget().step();
    if (!item.is_string()) {
      throw RuntimeFailure{
          fmt::format("sequence item {}: expected str instance, {} found", index, item.type_name())};
    }
    if (index++ > 0) text += self.string();
    text += item.string();
    if (text.size() > Budget::kMaxTextBytes) interpreter.budget().text(text.size());
  }
  interpreter.budget().text(text.size());
  return text;
}

template <int left_share>
Value method_pad(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("just", {"width", "fillchar"}, 1, arguments);
  const std::string fill = args.has(1) ? text_argument(args, 1, "just") : " ";
  if (code_points(fill) != 1) throw RuntimeFailure{"The fill character must be exactly one character long"};
  return pad(self.string(), args.integer_or(0, 0), fill, left_share, interpreter.budget());
}

Value method_zfill(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("zfill", {"width"}, 1, arguments);
  const std::string& text = self.string();
  const bool sign = text.starts_with('-') || text.starts_with('+');
  const std::string digits =
      pad(text.substr(sign ? 1 : 0), args.integer_or(0, 0) - (sign ? 1 : 0), "0", 1, interpreter.budget());
  return (sign ? text.substr(0, 1) : std::string()) + digits;
}

Value method_expandtabs(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("expandtabs", {"tabsize"}, 0, arguments);
  const std::int64_t size = std::min<std::int64_t>(args.integer_or(0, 8), 1 << 20);
  std::string out;
  std::int64_t column = 0;
  for_each_code_point(self.string(), [&](char32_t c, std::size_t) {
    if (c == '\t') {
      const std::int64_t missing = size > 0 ? size - column % size : 0;
      out.append(static_cast<std::size_t>(missing), ' ');
      column += missing;
    } else {
      append_utf8(out, c);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    if (out.size() > Budget::kMaxTextBytes) interpreter.budget().text(out.size());
  });
  interpreter.budget().text(out.size());
  return out;
}

template <bool (*holds)(char32_t)>
Value method_all(Interpreter& interpreter, const Value& self, Arguments&) {
  interpreter.budget().text(self.string().size());
  bool all = !self.string().empty();
  for_each_code_point(self.string(), [&](char32_t c, std::size_t) { all = all && holds(c); });
  return all;
}

template <bool upper>
Value method_is_case(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return find_test(upper ? "upper" : "lower")->apply(interpreter, self, arguments);
}

bool is_alphanumeric(char32_t c) {
  return is_alpha(c) || is_numeric_character(c);
}

Value method_istitle(Interpreter&, const Value& self, Arguments&) {
  bool any = false;
  bool valid = true;
  bool after_cased = false;
  for_each_code_point(self.string(), [&](char32_t c, std::size_t) {
    if (is_upper(c) || is_title(c)) valid = valid && !after_cased;
    if (is_lower(c)) valid = valid && after_cased;
    after_cased = is_cased(c);
    any = any || after_cased;
  });
  return any && valid;
}

Value method_isascii(Interpreter&, const Value& self, Arguments&) {
  return std::all_of(self.string().begin(), self.string().end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Value method_isprintable(Interpreter&, const Value& self, Arguments&) {
  bool all = true;
  for_each_code_point(self.string(), [&](char32_t c, std::size_t) { all = all && is_printable(c); });
  return all;
}

Value method_isidentifier(Interpreter&, const Value& self, Arguments&) {
  bool valid = !self.string().empty();
  for_each_code_point(self.string(), [&](char32_t c, std::size_t at) {
    valid = valid && (is_word(c) && !(at == 0 && is_numeric_character(c)));
  });
  return valid;
}

Value method_format(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return str_format(self.string(), arguments, interpreter);
}

Value method_format_map(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("format_map", {"mapping"}, 1, arguments);
  Arguments named;
  if (!args[0].is_dict()) throw RuntimeFailure{"format_map() takes a mapping"};
  for (const auto& [key, value] : args[0].dict().entries()) named.keywords.emplace_back(key.str(), value);
  return str_format(self.string(), named, interpreter);
}

struct TextMethod {
  std::string_view name;
  MethodBody body;
};

constexpr std::array<TextMethod, 44> kTextMethods{{
    {"capitalize", map_case<to_capitalized>},
    {"casefold", map_case<to_casefold>},
    {"center", method_pad<-1>},
    {"count", method_count},
    {"endswith", method_affix<true>},
    {"expandtabs", method_expandtabs},
    {"find", method_find<false, false>},
    {"format", method_format},
    {"format_map", method_format_map},
    {"index", method_find<false, true>},
    {"isalnum", method_all<is_alphanumeric>},
    {"isalpha", method_all<is_alpha>},
    {"isascii", method_isascii},
    {"isdecimal", method_all<is_decimal>},
    {"isdigit", method_all<is_digit>},
    {"isidentifier", method_isidentifier},
    {"islower", method_is_case<false>},
    {"isnumeric", method_all<is_numeric_character>},
    {"isprintable", method_isprintable},
    {"isspace", method_all<is_python_space>},
    {"istitle", method_istitle},
    {"isupper", method_is_case<true>},
    {"join", method_join},
    {"ljust", method_pad<0>},
    {"lower", map_case<to_lower>},
    {"lstrip", method_strip<true, false>},
    {"partition", method_partition<false>},
    {"removeprefix", method_remove_affix<false>},
    {"removesuffix", method_remove_affix<true>},
    {"replace", method_replace},
    {"rfind", method_find<true, false>},
    {"rindex", method_find<true, true>},
    {"rjust", method_pad<1>},
    {"rpartition", method_partition<true>},
    {"rsplit", method_split<true>},
    {"rstrip", method_strip<false, true>},
    {"split", method_split<false>},
    {"splitlines", method_splitlines},
    {"startswith", method_affix<false>},
    {"strip", method_strip<true, true>},
    {"swapcase", map_case<to_swapped_case>},
    {"title", map_case<to_title>},
    {"upper", map_case<to_upper>},
    {"zfill", method_zfill},
}};

}  // namespace

MethodBody find_text_method(std::string_view name) {
  const auto* found = std::find_if(kTextMethods.begin(), kTextMethods.end(),
                                   [&](const TextMethod& m) { return m.name == name; });
  return found == kTextMethods.end() ? nullptr : found->body;
}

}  // namespace attend::jinja
