#include "loaders/chat/str_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "loaders/chat/operations.h"

namespace attend::jinja {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool digits = !text.empty() && text[0] != '-';
  return digits && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? std::optional(number)
                                                                                       : std::nullopt;
}

class Formatter {
 public:
  Formatter(const Arguments& arguments, Interpreter& interpreter)
      : arguments_(arguments), interpreter_(interpreter) {}

  // `nesting`: a format specification may hold fields itself.
  std::string format(std::string_view text, int nesting) {
    if (nesting > 2) throw RuntimeFailure{"Max string recursion exceeded"};
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        throw RuntimeFailure{"Single '}' encountered in format string"};
      } else if (c == '{') {
        const std::size_t end = field_end(text, at + 1);
        out += field(text.substr(at + 1, end - at - 1), nesting);
        at = end + 1;
      } else {
        out += c;
        ++at;
      }
      if (out.size() > Budget::kMaxTextBytes) interpreter_.budget().text(out.size());
    }
    interpreter_.budget().text(out.size());
    return out;
  }

 private:
  static std::size_t field_end(std::string_view text, std::size_t at) {
    if (at >= text.size()) throw RuntimeFailure{"Single '{' encountered in format string"};
    for (int open = 1; at < text.size(); ++at) {
      open += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
      if (open == 0) return at;
    }
    throw RuntimeFailure{"expected '}' before end of string"};
  }

  std::string field(std::string_view field, int nesting) {
    interpreter_.budget().step();
    const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
    Value value = lookup(field.substr(0, name_end));
    std::string_view rest = field.substr(name_end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        throw RuntimeFailure{"expected ':' after conversion specifier"};
      }
      if (rest[1] != 'r' && rest[1] != 's' && rest[1] != 'a') {
        throw RuntimeFailure{fmt::format("Unknown conversion specifier {}", rest[1])};
      }
      value = rest[1] == 's' ? value.str() : value.repr();
      rest.remove_prefix(2);
    }
    if (rest.starts_with(':')) rest.remove_prefix(1);
    return format_value(value, format(rest, nesting + 1), interpreter_.budget());
  }

  // name, name.attribute, name[index]
  Value lookup(std::string_view path) {
    const std::size_t head_end = std::min(path.find_first_of(".["), path.size());
    Value value = argument(path.substr(0, head_end));
    std::string_view rest = path.substr(head_end);
    while (!rest.empty()) {
      if (rest[0] == '.') {
        const std::size_t end = std::min(rest.find_first_of(".[", 1), rest.size());
        if (end == 1) throw RuntimeFailure{"Empty attribute in format string"};
        value = interpreter_.get_attribute(value, std::string(rest.substr(1, end - 1)));
        rest.remove_prefix(end);
      } else {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos) throw RuntimeFailure{"Missing ']' in format string"};
        const std::string_view key = rest.substr(1, end - 1);
        if (key.empty()) throw RuntimeFailure{"Empty attribute in format string"};
        const auto index = whole_number(key);
        value = interpreter_.get_item(value, index ? Value(*index) : Value(key));
        rest.remove_prefix(end + 1);
        if (!rest.empty() && rest[0] != '.' && rest[0] != '[') {
          throw RuntimeFailure{"Only '.' or '[' may follow ']' in format field specifier"};
        }
      }
    }
    return value;
  }

  const Value& argument(std::string_view name) {
    std::optional<std::int64_t> index = whole_number(name);
    if (name.empty()) {
      if (next_ < 0)
        throw RuntimeFailure{"cannot switch from manual field specification to automatic field numbering"};
      index = next_++;
    } else if (index) {
      if (next_ > 0)
        throw RuntimeFailure{"cannot switch from manual field specification to automatic field numbering"};
      next_ = -1;
    }
    if (index) {
      if (*index >= static_cast<std::int64_t>(arguments_.positional.size())) {
        throw RuntimeFailure{"tuple index out of range"};
      }
      return arguments_.positional[static_cast<std::size_t>(*index)];
    }
    const auto found = std::find_if(arguments_.keywords.begin(), arguments_.keywords.end(),
                                    [&](const auto& keyword) { return keyword.first == name; });
    if (found == arguments_.keywords.end()) throw RuntimeFailure{string_repr(name)};
    return found->second;
  }

  const Arguments& arguments_;
  Interpreter& interpreter_;
  std::int64_t next_ = 0;  // automatic numbering; -1: fields are numbered by hand
};

}  // namespace

std::string str_format(std::string_view format, const Arguments& arguments, Interpreter& interpreter) {
  return Formatter(arguments, interpreter).format(format, 0);
}

}  // namespace attend::jinja
