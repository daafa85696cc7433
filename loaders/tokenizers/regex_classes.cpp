// Character classes: nested sets, ranges, intersections, POSIX brackets, and the escapes for sets and
// characters.
#include <algorithm>
#include <utility>

#include "loaders/tokenizers/regex_parser.h"

namespace attend {
namespace {

CodePointSet property(std::string_view name) {
  CodePointSet set;
  find_property(name, &set);
  return set;
}

}  // namespace

// After the opening bracket. && separates operands; a closing bracket that comes first is a member.
CodePointSet RegexParser::parse_class() {
  enter();
  const bool negated = accept("^");
  CodePointSet set, left;
  bool has_left = false, first = true;
  for (;; first = false) {
    if (at_end()) invalid("missing close bracket");
    if (looking_at("]") && !first) break;
    if (looking_at("]") && pattern_.find(']', at_ + 1) == std::string_view::npos)
      invalid("an empty character class");
    if (accept("&&")) {
      if (options_.ignore_case) add_case_variants(set);
      if (has_left) set.intersect(left);
      left = std::exchange(set, CodePointSet());
      has_left = true;
      continue;
    }
    parse_class_item(set);
  }
  accept("]");
  if (options_.ignore_case) add_case_variants(set);
  if (has_left) set.intersect(left);
  leave();
  return negated ? set.complement() : set;
}

void RegexParser::parse_class_item(CodePointSet& set) {
  if (looking_at("[:") && parse_posix_class(set)) return;
  if (accept("[")) {
    set.add(parse_class());
    return;
  }
  const auto character = [&](char32_t* out) {
    *out = next();
    if (*out != '\\') return true;
    const char32_t letter = next();
    CodePointSet escaped;
    if (parse_set_escape(letter, true, &escaped)) {
      set.add(escaped);
      return false;
    }
    *out = letter == 'b' ? U'\b' : parse_character_escape(letter);
    return true;
  };
  char32_t low = 0, high = 0;
  if (!character(&low)) {
    if (looking_at("-") && !looking_at("-]") && !looking_at("-[") && !looking_at("-&&"))
      invalid("a range that begins with a set");
    return;
  }
  const bool range = looking_at("-") && !looking_at("-]") && !looking_at("-[") && !looking_at("-&&");
  if (!range) {
    set.add(low, low);
    return;
  }
  accept("-");
  if (!character(&high)) invalid("a range that ends with a set");
  if (high < low) invalid("an empty range in a character class");
  set.add(low, high);
}

bool RegexParser::parse_posix_class(CodePointSet& set) {
  const std::size_t close = pattern_.find(":]", at_ + 2);
  if (close == std::string_view::npos) return false;
  std::string_view name = pattern_.substr(at_ + 2, close - at_ - 2);
  const bool negated = name.starts_with("^");
  if (negated) name.remove_prefix(1);
  constexpr std::string_view kNames[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit",  "graph",
                                         "lower", "print", "punct", "space", "upper", "xdigit", "word"};
  if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) return false;
  const CodePointSet members = property(name);
  set.add(negated ? members.complement() : members);
  at_ = close + 2;
  return true;
}

bool RegexParser::parse_set_escape(char32_t letter, bool in_class, CodePointSet* set) {
  switch (letter) {
    case 'd':
    case 'D': *set = property("digit"); break;
    case 's':
    case 'S': *set = property("space"); break;
    case 'h':
    case 'H': *set = property("xdigit"); break;
    case 'w':
    case 'W':
      *set = property("word");
      // Oniguruma's Latin-1 table takes superscripts and fractions for word characters, but not in a class.
      if (!in_class) {
        set->add(0xB2, 0xB3);
        set->add(0xB9, 0xB9);
        set->add(0xBC, 0xBE);
      }
      break;
    case 'p':
    case 'P': {
      bool negated = letter == 'P';
      std::string_view name = pattern_.substr(at_, 1);
      if (accept("{")) {
        if (accept("^")) negated = !negated;
        const std::size_t close = pattern_.find('}', at_);
        if (close == std::string_view::npos) invalid("missing } of a character property");
        name = pattern_.substr(at_, close - at_);
        at_ = close + 1;
      } else {
        next();
      }
      if (!find_property(name, set)) unsupported("the character property " + std::string(name));
      if (negated) *set = set->complement();
      return true;
    }
    default: return false;
  }
  if (letter < 'a') *set = set->complement();
  return true;
}

char32_t RegexParser::parse_character_escape(char32_t letter) {
  switch (letter) {
    case 't': return '\t';
    case 'n': return '\n';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'v': return '\v';
    case 'a': return '\a';
    case 'e': return 0x1B;
    case 'u': return parse_hex(4, 4);
    case 'x': return accept("{") ? parse_braced_number(16) : parse_hex(0, 2);
    case 'o':
      if (accept("{")) return parse_braced_number(8);
      return letter;
    case 'c':
    case 'C':
    case 'M': unsupported("a control or meta escape"); break;
    default: break;
  }
  if (letter >= '0' && letter <= '7') {
    char32_t value = letter - '0';
    for (int i = 0; i < 2 && !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '7'; ++i)
      value = value * 8 + static_cast<char32_t>(pattern_[at_++] - '0');
    if (value > 0x7F) unsupported("an escape for a single byte");
    return value;
  }
  return letter;
}

char32_t RegexParser::parse_hex(std::size_t min_digits, std::size_t max_digits) {
  char32_t value = 0;
  std::size_t digits = 0;
  for (; digits < max_digits && !at_end(); ++digits) {
    const char c = pattern_[at_];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) break;
    value = value * 16 + static_cast<char32_t>(digit);
    ++at_;
  }
  if (digits < min_digits) invalid("too short an escape");
  if (max_digits == 2 && value > 0x7F) unsupported("an escape for a single byte");
  if (value >= 0xD800 && value <= 0xDFFF) invalid("an escape for a surrogate");
  return value;
}

char32_t RegexParser::parse_braced_number(unsigned base) {
  char32_t value = 0;
  const std::size_t begin = at_;
  while (!at_end() && pattern_[at_] != '}') {
    const char c = pattern_[at_];
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                           : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                  : 99u;
    if (digit >= base || at_ - begin >= 11) invalid("a malformed code point");
    value = value * base + digit;
    if (value > 0x10FFFF) invalid("a code point above U+10FFFF");
    ++at_;
  }
  if (at_ == begin || !accept("}")) invalid("a malformed code point");
  if (value >= 0xD800 && value <= 0xDFFF) invalid("an escape for a surrogate");
  return value;
}

}  // namespace attend
