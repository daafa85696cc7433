// Recursive descent over a pattern; used by parse_regex alone.
#pragma once

#include <string>
#include <string_view>

#include "loaders/tokenizers/regex_syntax.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {

class RegexParser {
 public:
  RegexParser(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}
  RegexNodePtr parse();

 private:
  struct Options {
    bool ignore_case = false, extended = false, dot_all = false;
  };

  // regex_parser.cpp: alternatives, sequences, repetition, groups.
  RegexNodePtr parse_alternatives();
  RegexNodePtr parse_sequence();
  RegexNodePtr parse_atom();
  RegexNodePtr parse_group();
  RegexNodePtr parse_options_group();
  RegexNodePtr parse_repeats(RegexNodePtr atom);
  bool parse_braces(std::size_t* min, std::size_t* max, bool* possessive);
  RegexNodePtr parse_escape();
  RegexNodePtr literal(char32_t c) const;
  void split_multi_character_folds(std::vector<RegexNodePtr>& sequence,
                                   const std::vector<char32_t>& literals) const;

  // regex_classes.cpp: character classes and the escapes that stand for sets or characters.
  CodePointSet parse_class();
  void parse_class_item(CodePointSet& set);
  bool parse_posix_class(CodePointSet& set);
  // The set of \d \w \s \h and their negations and of \p; false if the escape is no set.
  bool parse_set_escape(char32_t letter, bool in_class, CodePointSet* set);
  char32_t parse_character_escape(char32_t letter);
  char32_t parse_hex(std::size_t min_digits, std::size_t max_digits);
  char32_t parse_braced_number(unsigned base);

  bool at_end() const { return at_ >= pattern_.size(); }
  bool looking_at(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool accept(std::string_view text);
  char32_t peek() const { return decode_utf8(pattern_, at_).value; }
  char32_t next();
  void enter();  // counts nesting
  void leave() { --depth_; }
  [[noreturn]] void invalid(std::string_view what) const;
  [[noreturn]] void unsupported(std::string_view what) const;

  std::string_view pattern_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  Options options_;
};

}  // namespace attend
