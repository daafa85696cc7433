// Values as text: Python's str(), repr() and json.dumps().
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "loaders/chat/operations.h"
#include "loaders/chat/python_unicode.h"
#include "loaders/chat/value.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

// Namespaces may hold themselves; everything else is bounded by kMaxValueDepth.
void check_depth(int depth) {
  if (depth > 2 * kMaxValueDepth) throw BudgetExceeded{"a value that holds itself is printed"};
}

std::string join_repr(const List& items, int depth) {
  std::string text;
  for (const Value& item : items) {
    if (!text.empty()) text += ", ";
    text += item.repr(depth + 1);
    if (text.size() > Budget::kMaxTextBytes)
      throw BudgetExceeded{"the template makes more than 4 MiB of text"};
  }
  return text;
}

std::string dict_repr(const Dict& dict, int depth) {
  std::string text = "{";
  for (const auto& [key, value] : dict.entries()) {
    if (text.size() > 1) text += ", ";
    text += key.repr(depth + 1) + ": " + value.repr(depth + 1);
    if (text.size() > Budget::kMaxTextBytes)
      throw BudgetExceeded{"the template makes more than 4 MiB of text"};
  }
  return text + "}";
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const std::size_t exponent_at = text.find('e');
  const int exponent = std::stoi(text.substr(exponent_at + 1));
  // Python writes 1e-05 and 1e+16, and plain digits between them.
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", text.substr(0, exponent_at), exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  const auto plain = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string digits(buffer, plain);
  if (digits.find('.') == std::string::npos) digits += ".0";
  return digits;
}

std::string string_repr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for_each_code_point(text, [&](char32_t c, std::size_t) {
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (c < 0x7F || is_printable(c)) {
      append_utf8(out, c);
    } else if (c <= 0xFF) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if (c <= 0xFFFF) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<unsigned>(c));
    }
  });
  out += quote;
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Value::str() const {
  if (is_string()) return string();
  return repr();
}

std::string Value::repr(int depth) const {
  check_depth(depth);
  switch (type()) {
    case Type::undefined: return depth == 0 ? "" : "Undefined";
    case Type::none: return "None";
    case Type::boolean: return boolean() ? "True" : "False";
    case Type::integer: return std::to_string(integer());
    case Type::floating: return float_repr(floating());
    case Type::string: return is_markup() ? "Markup(" + string_repr(string()) + ")" : string_repr(string());
    case Type::list: return "[" + join_repr(items(), depth) + "]";
    case Type::tuple: return "(" + join_repr(items(), depth) + (items().size() == 1 ? ",)" : ")");
    case Type::dict: return dict_repr(dict(), depth);
    case Type::range:
      return range().step == 1 ? fmt::format("range({}, {})", range().start, range().stop)
                               : fmt::format("range({}, {}, {})", range().start, range().stop, range().step);
    case Type::generator: return fmt::format("<{} object>", generator().type_name);
    case Type::object: return object().repr(depth);
  }
  return {};
}

namespace {

class JsonDump {
 public:
  JsonDump(const JsonDumpOptions& options, Budget& budget) : options_(options), budget_(budget) {}

  std::string text(const Value& value) {
    dump(value, 0);
    budget_.text(out_.size());
    return std::move(out_);
  }

 private:
  void dump(const Value& value, int depth) {
    budget_.step();
    check_depth(depth);
    if (out_.size() > Budget::kMaxTextBytes) budget_.text(out_.size());
    using Type = Value::Type;
    switch (value.type()) {
      case Type::none: out_ += "null"; return;
      case Type::boolean: out_ += value.boolean() ? "true" : "false"; return;
      case Type::integer: out_ += std::to_string(value.integer()); return;
      case Type::floating: out_ += number(value.floating()); return;
      case Type::string: string(value.string()); return;
      case Type::list:
      case Type::tuple: {
        const List& items = value.items();
        if (items.empty()) {
          out_ += "[]";
          return;
        }
        out_ += '[';
        for (std::size_t i = 0; i < items.size(); ++i) {
          separate(i > 0, depth + 1);
          dump(items[i], depth + 1);
        }
        separate(false, depth);
        out_ += ']';
        return;
      }
      case Type::dict: object(value.dict(), depth); return;
      case Type::object:
        if (value.type_name() == "int") {
          out_ += value.repr();
          return;
        }
        break;
      default: break;
    }
    throw RuntimeFailure{fmt::format("Object of type {} is not JSON serializable", value.type_name())};
  }

  void object(const Dict& dict, int depth) {
    if (dict.size() == 0) {
      out_ += "{}";
      return;
    }
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (options_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto* a, const auto* b) { return less(a->first, b->first); });
    }
    out_ += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      separate(i > 0, depth + 1);
      key(entries[i]->first);
      out_ += options_.key_separator;
      dump(entries[i]->second, depth + 1);
    }
    separate(false, depth);
    out_ += '}';
  }

  void key(const Value& key) {
    if (key.is_string()) return string(key.string());
    if (key.is_none()) return string("null");
    if (key.is_boolean()) return string(key.boolean() ? "true" : "false");
    if (key.is_integer()) return string(std::to_string(key.integer()));
    if (key.is_number()) return string(number(key.floating()));
    throw RuntimeFailure{fmt::format("keys must be str, int, float, bool or None, not {}", key.type_name())};
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_repr(value);
  }

  // Between elements (`comma`) and around them: a new line where the output is indented.
  void separate(bool comma, int depth) {
    if (comma) out_ += options_.item_separator;
    if (!options_.indent) return;
    out_ += '\n';
    budget_.text(options_.indent->size() * static_cast<std::size_t>(depth));
    for (int i = 0; i < depth; ++i) out_ += *options_.indent;
  }

  void string(std::string_view text) {
    out_ += '"';
    for_each_code_point(text, [&](char32_t c, std::size_t) {
      switch (c) {
        case '"': out_ += "\\\""; return;
        case '\\': out_ += "\\\\"; return;
        case '\n': out_ += "\\n"; return;
        case '\r': out_ += "\\r"; return;
        case '\t': out_ += "\\t"; return;
        case '\b': out_ += "\\b"; return;
        case '\f': out_ += "\\f"; return;
        default: break;
      }
      if (c < 0x20 || (c == 0x7F && options_.ensure_ascii)) {
        out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else if (!options_.ensure_ascii || c < 0x80) {
        append_utf8(out_, c);
      } else if (c < 0x10000) {
        out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else {
        const unsigned rest = static_cast<unsigned>(c) - 0x10000;
        out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10U), 0xDC00 + (rest & 0x3FFU));
      }
    });
    out_ += '"';
  }

  const JsonDumpOptions& options_;
  Budget& budget_;
  std::string out_;
};

}  // namespace

std::string dump_json(const Value& value, const JsonDumpOptions& options, Budget& budget) {
  return JsonDump(options, budget).text(value);
}

}  // namespace attend::jinja
