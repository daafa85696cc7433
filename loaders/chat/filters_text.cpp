// Filters on text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "loaders/chat/filters.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/operations.h"
#include "loaders/chat/python_unicode.h"
#include "loaders/chat/text_operations.h"
#include "loaders/tokenizers/python_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

// str() of the input, paid for.
std::string text_of(Interpreter& interpreter, const Value& input) {
  std::string text = input.str();
  interpreter.budget().text(text.size());
  return text;
}

// Marked text stays marked where Python's Markup has a method of its own for the filter.
Value like(const Value& origin, std::string text) {
  return origin.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
}

template <std::string (*mapping)(std::string_view), bool keeps_mark>
Value filter_case(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("filter", {}, 0, arguments);
  std::string text = mapping(text_of(interpreter, input));
  return keeps_mark ? like(input, std::move(text)) : Value(std::move(text));
}

template <bool again>
Value filter_escape(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("escape", {}, 0, arguments);
  std::string text = text_of(interpreter, input);
  return Value::markup(input.is_markup() && !again ? std::move(text) : escape_html(text));
}

// Words begin after white space, hyphens and opening brackets.
std::string title_words(std::string_view text) {
  std::string out;
  bool inside_word = false;
  std::size_t begin = 0;
  const auto flush = [&](std::size_t end) {
    const std::string_view word = text.substr(begin, end - begin);
    if (!word.empty()) {
      const std::size_t first = utf8_length(word[0]);
      out += to_upper(word.substr(0, first)) + to_lower(word.substr(first));
    }
    begin = end;
  };
  for_each_code_point(text, [&](char32_t c, std::size_t at) {
    const bool separator = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c);
    if (separator == inside_word) {
      flush(at);
      inside_word = !separator;
    }
  });
  flush(text.size());
  return out;
}

std::string same_text(std::string_view text) {
  return std::string(text);
}

Value filter_trim(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_trim", {"chars"}, 0, arguments);
  const std::string text = text_of(interpreter, input);
  if (!args.has(0) || args[0].is_none())
    return like(input, std::string(strip(text, std::nullopt, true, true)));
  if (!args[0].is_string()) {
    throw RuntimeFailure{"strip arg must be None or str"};
  }
  return like(input, std::string(strip(text, args[0].string(), true, true)));
}

Value filter_replace(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_replace", {"old", "new", "count"}, 2, arguments);
  const std::int64_t count = args.has(2) && !args[2].is_none() ? args.integer_or(2, -1) : -1;
  return replace(text_of(interpreter, input), args[0].str(), args[1].str(), count, interpreter.budget());
}

Value filter_indent(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_indent", {"width", "first", "blank"}, 0, arguments);
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  if (!input.is_string()) {
    throw RuntimeFailure{
        fmt::format("unsupported operand type(s) for +=: '{}' and 'str'", input.type_name())};
  }
  std::string indention;
  if (args.has(0) && args[0].is_string()) {
    indention = args[0].string();
  } else {
    const std::int64_t width = std::max<std::int64_t>(0, args.integer_or(0, 4));
    if (static_cast<std::uint64_t>(width) > Budget::kMaxTextBytes)
      interpreter.budget().text(Budget::kMaxTextBytes + 1);
    indention.assign(static_cast<std::size_t>(width), ' ');
  }
  const std::string text = input.string() + "\n";
  std::string out;
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first) out += '\n';
    if (first ? args.truthy(1) : args.truthy(2) || !line.empty()) out += indention;
    out += line;
    first = false;
    if (out.size() > Budget::kMaxTextBytes) interpreter.budget().text(out.size());
  }
  interpreter.budget().text(out.size());
  return like(input, std::move(out));
}

Value filter_truncate(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_truncate", {"length", "killwords", "end", "leeway"}, 0, arguments);
  const std::string text = text_of(interpreter, input);
  const std::string end = args.text_or(2, "...");
  const std::int64_t size = args.integer_or(0, 255);
  const std::int64_t leeway = args.has(3) && args[3].is_none() ? 5 : args.integer_or(3, 5);
  if (size < code_points(end))
    throw RuntimeFailure{fmt::format("expected length >= {}, got {}", code_points(end), size)};
  if (leeway < 0) throw RuntimeFailure{fmt::format("expected leeway >= 0, got {}", leeway)};
  if (code_points(text) <= size + leeway) return text;
  const std::string head = text.substr(0, byte_offset(text, size - code_points(end)));
  if (args.truthy(1)) return head + end;
  return head.substr(0, std::min(head.rfind(' '), head.size())) + end;
}

Value filter_center(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_center", {"width"}, 0, arguments);
  return like(input, pad(text_of(interpreter, input), args.integer_or(0, 80), " ", -1, interpreter.budget()));
}

Value filter_wordcount(Interpreter& interpreter, const Value& input, Arguments&) {
  std::int64_t words = 0;
  bool inside = false;
  for_each_code_point(text_of(interpreter, input), [&](char32_t c, std::size_t) {
    const bool word = is_word(c);
    words += word && !inside ? 1 : 0;
    inside = word;
  });
  return words;
}

Value filter_striptags(Interpreter& interpreter, const Value& input, Arguments&) {
  std::string text = text_of(interpreter, input);
  for (std::size_t begin = 0; (begin = text.find("<!--", begin)) != std::string::npos;) {
    const std::size_t end = text.find("-->", begin);
    if (end == std::string::npos) break;
    text.erase(begin, end + 3 - begin);
  }
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '<' ? text.find('>', at) : std::string::npos;
    if (end != std::string::npos) {
      at = end + 1;
    } else {
      plain += text[at++];
    }
  }
  std::string out;
  for (const std::string_view word : split(plain, std::nullopt, -1)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

Value filter_urlencode(Interpreter& interpreter, const Value& input, Arguments&) {
  const auto quote = [](std::string_view text, std::string_view safe) {
    std::string out;
    for (const char c : text) {
      const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         c == '_' || c == '.' || c == '-' || c == '~' ||
                         safe.find(c) != std::string_view::npos;
      out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
  };
  if (input.is_string() || !is_iterable(input)) return quote(text_of(interpreter, input), "/");
  // Pairs become a query.
  const auto query_part = [&](const Value& part) {
    std::string out = quote(part.str(), "");
    for (std::size_t at = 0; (at = out.find("%20", at)) != std::string::npos;) out.replace(at, 3, "+");
    return out;
  };
  Arguments none;
  const Value pairs = input.is_dict() ? find_filter("items")->apply(interpreter, input, none) : input;
  std::string out;
  for (const Value& pair : iterate(pairs, interpreter.budget())) {
    const auto parts = iterate(pair, interpreter.budget());
    if (parts->size() != 2)
      throw RuntimeFailure{fmt::format("not enough values to unpack (expected 2, got {})", parts->size())};
    if (!out.empty()) out += '&';
    out += query_part((*parts)[0]) + "=" + query_part((*parts)[1]);
  }
  interpreter.budget().text(out.size());
  return out;
}

Value filter_format(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keywords.empty()) {
    throw RuntimeFailure{"can't handle positional and keyword arguments at the same time"};
  }
  Value values = Value::tuple(arguments.positional);
  if (!arguments.keywords.empty()) {
    Dict named;
    for (const auto& [name, value] : arguments.keywords) named.set(name, value);
    values = std::move(named);
  }
  return like(input,
              percent_format(text_of(interpreter, input), values, input.is_markup(), interpreter.budget()));
}

Value filter_tojson(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, 0, arguments);
  JsonDumpOptions options;
  options.ensure_ascii = args.truthy(0);
  options.sort_keys = args.truthy(3);
  if (args.has(1) && !args[1].is_none()) {
    if (args[1].is_string()) {
      options.indent = args[1].string();
    } else {
      const std::int64_t width = std::clamp<std::int64_t>(args.integer_or(1, 0), 0, 1024);
      options.indent = std::string(static_cast<std::size_t>(width), ' ');
    }
    options.item_separator = ",";
  }
  if (args.has(2) && !args[2].is_none()) {
    const auto separators = iterate(args[2], interpreter.budget());
    if (separators->size() != 2 || !(*separators)[0].is_string() || !(*separators)[1].is_string()) {
      throw RuntimeFailure{"separators are a pair of texts"};
    }
    options.item_separator = (*separators)[0].string();
    options.key_separator = (*separators)[1].string();
  }
  return dump_json(input, options, interpreter.budget());
}

constexpr std::array<FilterFunction, 22> kTextFilters{{
    {"upper", filter_case<to_upper, true>},
    {"lower", filter_case<to_lower, true>},
    {"capitalize", filter_case<to_capitalized, true>},
    {"title", filter_case<title_words, false>},
    {"string", filter_case<same_text, true>},
    {"safe", [](Interpreter& interpreter, const Value& input,
                Arguments&) { return Value::markup(text_of(interpreter, input)); }},
    {"escape", filter_escape<false>},
    {"e", filter_escape<false>},
    {"forceescape", filter_escape<true>},
    {"trim", filter_trim},
    {"replace", filter_replace},
    {"indent", filter_indent},
    {"truncate", filter_truncate},
    {"center", filter_center},
    {"wordcount", filter_wordcount},
    {"striptags", filter_striptags},
    {"urlencode", filter_urlencode},
    {"format", filter_format},
    {"tojson", filter_tojson},
    {"default",
     [](Interpreter&, const Value& input, Arguments& arguments) {
       const BoundArguments args("do_default", {"default_value", "boolean"}, 0, arguments);
       return input.is_undefined() || (args.truthy(1) && !input.truthy()) ? args.value_or(0, "") : input;
     }},
    {"d", [](Interpreter& interpreter, const Value& input,
             Arguments& arguments) { return find_filter("default")->apply(interpreter, input, arguments); }},
    {"attr",
     [](Interpreter& interpreter, const Value& input, Arguments& arguments) {
       const BoundArguments args("do_attr", {"name"}, 1, arguments);
       // Only attributes; elements of a dict do not count.
       if (input.is_dict() && input.dict().find(args[0]) != nullptr) {
         return Value::undefined(fmt::format("'dict object' has no attribute {}", args[0].repr()));
       }
       return interpreter.get_attribute(input, args[0].str());
     }},
}};

}  // namespace

std::span<const FilterFunction> text_filters() {
  return kTextFilters;
}

}  // namespace attend::jinja
