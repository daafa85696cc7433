#include "loaders/chat/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "loaders/chat/python_unicode.h"
#include "loaders/chat/string_literal.h"
#include "loaders/tokenizers/python_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

// Line ends become \n; the last one is dropped.
std::string normalize_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) root();
    Token end;
    end.position = position_at(text_.size());
    tokens_.push_back(std::move(end));
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(text_).substr(at_); }

  // Positions are asked for in ascending order.
  Position position_at(std::size_t at) {
    for (; position_offset_ < at; ++position_offset_) {
      if (text_[position_offset_] == '\n') {
        ++position_.line;
        position_.column = 1;
      } else if (!is_utf8_continuation(text_[position_offset_])) {
        ++position_.column;
      }
    }
    return position_;
  }

  [[noreturn]] void fail(std::size_t at, const std::string& message) {
    if (at < position_offset_) {
      position_offset_ = 0;
      position_ = {};
    }
    throw SyntaxFailure{position_at(at), message};
  }

  void push(TokenType type, std::string text, std::size_t at) {
    Token token;
    token.type = type;
    token.text = std::move(text);
    token.position = position_at(at);
    tokens_.push_back(std::move(token));
  }

  // Text up to the next tag, and the tag's beginning.
  void root() {
    std::size_t tag = at_;
    while (true) {
      tag = text_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= text_.size()) {
        push_data(at_, text_.size());
        at_ = text_.size();
        return;
      }
      const char kind = text_[tag + 1];
      if (kind == '%' || kind == '{' || kind == '#') break;
      ++tag;
    }
    const char kind = text_[tag + 1];
    std::size_t next = tag + 2;
    const char sign = next < text_.size() && (text_[next] == '-' || text_[next] == '+') ? text_[next] : '\0';
    if (sign != '\0') ++next;
    push_data(at_, end_of_data(at_, tag, sign, kind != '{'));
    line_starting_ = false;
    if (kind == '#') {
      comment(tag, next);
    } else if (kind == '{') {
      push(TokenType::variable_begin, "{{", tag);
      at_ = next;
      inside("}}", TokenType::variable_end, tag);
    } else if (const auto raw = raw_tag_end(next, "raw", false)) {
      raw_block(tag, *raw);
    } else {
      push(TokenType::block_begin, "{%", tag);
      at_ = next;
      inside("%}", TokenType::block_end, tag);
    }
  }

  // Where text before a tag ends: `-` drops all white space there, and a block that stands first on its line
  // the indentation, unless `+` keeps it.
  std::size_t end_of_data(std::size_t begin, std::size_t tag, char sign, bool lstrip) const {
    const std::string_view data = std::string_view(text_).substr(begin, tag - begin);
    if (sign == '-') return begin + python_rstrip(data).size();
    if (sign == '+' || !lstrip) return tag;
    const std::size_t newline = data.rfind('\n');
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return tag;
    return python_strip(data.substr(line)).empty() ? begin + line : tag;
  }

  void push_data(std::size_t begin, std::size_t end) {
    if (end > begin) push(TokenType::data, text_.substr(begin, end - begin), begin);
  }

  // Where `closing` with its signs ends when the text at `at` begins with it. `-` takes the white space that
  // follows; without a sign a block takes one newline (`trim`).
  std::optional<std::size_t> closing_end(std::size_t at, std::string_view closing, bool trim) const {
    const std::string_view text = std::string_view(text_).substr(at);
    if (text.starts_with('-') && text.substr(1).starts_with(closing)) {
      const std::string_view after = text.substr(1 + closing.size());
      return text_.size() - python_lstrip(after).size();
    }
    if (trim && text.starts_with('+') && text.substr(1).starts_with(closing)) return at + 1 + closing.size();
    if (!text.starts_with(closing)) return std::nullopt;
    const std::size_t end = at + closing.size();
    return trim && end < text_.size() && text_[end] == '\n' ? end + 1 : end;
  }

  void comment(std::size_t tag, std::size_t next) {
    for (; next < text_.size(); ++next) {
      if (const auto end = closing_end(next, "#}", true)) {
        at_ = *end;
        line_starting_ = text_[at_ - 1] == '\n';
        return;
      }
    }
    fail(tag, "Missing end of comment tag");
  }

  // The end of `raw %}` or `endraw %}` after a block's beginning.
  std::optional<std::size_t> raw_tag_end(std::size_t at, std::string_view name, bool trim) const {
    at = text_.size() - python_lstrip(std::string_view(text_).substr(at)).size();
    if (!std::string_view(text_).substr(at).starts_with(name)) return std::nullopt;
    at += name.size();
    at = text_.size() - python_lstrip(std::string_view(text_).substr(at)).size();
    return closing_end(at, "%}", trim);
  }

  void raw_block(std::size_t tag, std::size_t begin) {
    for (std::size_t next = begin; (next = text_.find("{%", next)) != std::string::npos; next += 2) {
      std::size_t name = next + 2;
      const char sign =
          name < text_.size() && (text_[name] == '-' || text_[name] == '+') ? text_[name] : '\0';
      if (sign != '\0') ++name;
      const auto end = raw_tag_end(name, "endraw", true);
      if (!end) continue;
      line_starting_ = text_[begin - 1] == '\n';
      push_data(begin, end_of_data(begin, next, sign, true));
      at_ = *end;
      line_starting_ = text_[at_ - 1] == '\n';
      return;
    }
    fail(tag, "Missing end of raw directive");
  }

  // The tokens of one tag.
  void inside(std::string_view closing, TokenType closing_type, std::size_t tag) {
    std::string open;  // brackets that wait for their end
    while (at_ < text_.size()) {
      if (open.empty()) {
        if (const auto end = closing_end(at_, closing, closing_type == TokenType::block_end)) {
          push(closing_type, std::string(closing), at_);
          at_ = *end;
          line_starting_ = text_[at_ - 1] == '\n';
          return;
        }
      }
      const CodePoint c = decode_utf8(text_, at_);
      if (is_python_space(c.value)) {
        at_ += c.length;
      } else if (is_ascii_digit(text_[at_])) {
        number();
      } else if (is_word(c.value)) {
        name();
      } else if (c.value == '\'' || c.value == '"') {
        string();
      } else {
        symbol(open);
      }
    }
    fail(tag, "unexpected end of template, the tag is not closed");
  }

  void name() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const CodePoint c = decode_utf8(text_, at_);
      if (!is_word(c.value)) break;
      at_ += c.length;
    }
    push(TokenType::name, text_.substr(begin, at_ - begin), begin);
  }

  // Digits with single underscores between them.
  std::size_t digits_end(std::size_t at, std::string_view allowed) const {
    while (at < text_.size()) {
      const bool separator =
          text_[at] == '_' && at + 1 < text_.size() && allowed.find(text_[at + 1]) != std::string_view::npos;
      if (!separator && allowed.find(text_[at]) == std::string_view::npos) break;
      ++at;
    }
    return at;
  }

  void number() {
    constexpr std::string_view kDecimal = "0123456789";
    const std::size_t begin = at_;
    std::size_t end = digits_end(begin, kDecimal);
    bool floating = false;
    // A number after a dot is an index (items.0.1), not the rest of a fraction.
    if (begin == 0 || text_[begin - 1] != '.') {
      if (end + 1 < text_.size() && text_[end] == '.' && is_ascii_digit(text_[end + 1])) {
        end = digits_end(end + 1, kDecimal);
        floating = true;
      }
      if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
        std::size_t exponent = end + 1;
        if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
        if (exponent < text_.size() && is_ascii_digit(text_[exponent])) {
          end = digits_end(exponent, kDecimal);
          floating = true;
        }
      }
    }
    if (floating) return push_float(begin, end);
    int base = 10;
    if (text_[begin] == '0') {
      const char prefix = begin + 1 < text_.size() ? static_cast<char>(text_[begin + 1] | 0x20) : '\0';
      const std::string_view allowed = prefix == 'x'   ? "0123456789abcdefABCDEF"
                                       : prefix == 'o' ? "01234567"
                                       : prefix == 'b' ? "01"
                                                       : "";
      if (!allowed.empty() && digits_end(begin + 2, allowed) > begin + 2) {
        base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : 2;
        end = digits_end(begin + 2, allowed);
      } else {
        end = digits_end(begin, "0");
      }
    }
    push_integer(begin, end, base);
  }

  std::string plain_digits(std::size_t begin, std::size_t end) const {
    std::string digits = text_.substr(begin, end - begin);
    std::erase(digits, '_');
    return digits;
  }

  void push_integer(std::size_t begin, std::size_t end, int base) {
    const std::string digits = plain_digits(begin + (base == 10 ? 0 : 2), end);
    std::int64_t value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (parsed.ec != std::errc()) fail(begin, "integers beyond 64 bits are not supported");
    push(TokenType::integer, digits, begin);
    tokens_.back().integer = value;
    at_ = end;
  }

  void push_float(std::size_t begin, std::size_t end) {
    const std::string digits = plain_digits(begin, end);
    push(TokenType::floating, digits, begin);
    // from_chars reports overflow without a value; Python reads infinity then.
    double value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec == std::errc::result_out_of_range) value = std::strtod(digits.c_str(), nullptr);
    tokens_.back().floating = value;
    at_ = end;
  }

  void string() {
    const std::size_t begin = at_;
    const char quote = text_[at_];
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size())
      fail(begin, fmt::format("unexpected char {} at {}", quote == '\'' ? "\"'\"" : "'\"'", begin));
    std::string error;
    std::string value;
    if (!decode_string_literal(std::string_view(text_).substr(begin + 1, end - begin - 1), value, error)) {
      fail(begin, error);
    }
    push(TokenType::string, std::move(value), begin);
    at_ = end + 1;
  }

  void symbol(std::string& open) {
    constexpr std::array<std::string_view, 26> kOperators{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                          "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                          ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* found = std::find_if(kOperators.begin(), kOperators.end(),
                                     [&](std::string_view op) { return rest().starts_with(op); });
    if (found == kOperators.end()) {
      const std::size_t size = decode_utf8(text_, at_).length;
      fail(at_, fmt::format("unexpected char '{}' at {}", text_.substr(at_, size),
                            count_code_points(std::string_view(text_).substr(0, at_))));
    }
    const char c = found->front();
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) fail(at_, fmt::format("unexpected '{}'", c));
      if (open.back() != c) fail(at_, fmt::format("unexpected '{}', expected '{}'", c, open.back()));
      open.pop_back();
    }
    push(TokenType::op, std::string(*found), at_);
    at_ += found->size();
  }

  std::string text_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
  Position position_;
  std::size_t position_offset_ = 0;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::data: return "template data / text";
    case TokenType::variable_begin: return "begin of print statement";
    case TokenType::variable_end: return "end of print statement";
    case TokenType::block_begin: return "begin of statement block";
    case TokenType::block_end: return "end of statement block";
    case TokenType::end: return "end of template";
    case TokenType::string: return "string";
    default: return token.text;
  }
}

}  // namespace attend::jinja
