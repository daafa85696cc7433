// Template text to tokens, with Jinja2's rules for delimiters and white space (trim_blocks and lstrip_blocks
// on, one trailing newline dropped), as transformers sets them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attend::jinja {

struct Position {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // from 1, in code points
};

struct SyntaxFailure {
  Position position;
  std::string message;
};

enum class TokenType : std::uint8_t {
  data,            // text between the tags
  variable_begin,  // {{
  variable_end,
  block_begin,  // {%
  block_end,
  name,
  string,
  integer,
  floating,
  op,  // operators and brackets
  end
};

struct Token {
  TokenType type = TokenType::end;
  std::string text;  // strings: decoded
  std::int64_t integer = 0;
  double floating = 0;
  Position position;

  bool is_name(std::string_view name) const { return type == TokenType::name && text == name; }
  bool is_op(std::string_view op) const { return type == TokenType::op && text == op; }
};

// Ends with one `end` token. Throws SyntaxFailure. `source` is valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

// For messages: the token as Jinja2 describes it.
std::string describe(const Token& token);

}  // namespace attend::jinja
