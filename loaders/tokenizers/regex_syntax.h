// The syntax tree of a regular expression, in Oniguruma's syntax (the reference's engine).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/unicode.h"

namespace attend {

enum class RegexAssertion : std::uint8_t {
  line_begin,        // ^
  line_end,          // $
  text_begin,        // \A
  text_end,          // \z
  text_end_newline,  // \Z
  word_boundary,     // \b
  no_word_boundary,  // \B
};

struct RegexNode {
  enum class Kind : std::uint8_t { empty, set, concat, alternate, repeat, atomic, look, assertion };
  static constexpr std::size_t kUnlimited = SIZE_MAX;

  Kind kind = Kind::empty;
  CodePointSet set;                                  // set
  std::vector<std::unique_ptr<RegexNode>> children;  // concat, alternate; one for repeat, atomic, look
  std::size_t min = 0, max = 0;                      // repeat
  bool greedy = true;                                // repeat
  bool behind = false, negated = false;              // look
  RegexAssertion assertion = RegexAssertion::line_begin;
};
using RegexNodePtr = std::unique_ptr<RegexNode>;

// Throws Error with TOK_REGEX_INVALID, or TOK_REGEX_UNSUPPORTED for what a linear-time matcher cannot do
// (back references, subexpression calls, \G, \K, \X, absent groups, conditions, callouts). `where` names the
// pattern in messages.
RegexNodePtr parse_regex(std::string_view pattern, const std::string& where);

}  // namespace attend
