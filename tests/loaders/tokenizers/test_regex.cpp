#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/tokenizers/regex.h"

using attend::Error;
using attend::MatchSpan;
using attend::Regex;
using attend::RegexMatcher;

namespace {

// All matches, joined by |; an empty match shows as nothing between two bars.
std::string matches(const std::string& pattern, const std::string& text) {
  const Regex regex = Regex::compile(pattern, "test");
  std::vector<MatchSpan> spans;
  RegexMatcher(regex).find_all(text, spans);
  std::string out;
  std::uint32_t covered = 0;
  for (const MatchSpan& span : spans) {
    CHECK(span.begin == covered);
    covered = span.end;
    if (span.matched) out += "|" + text.substr(span.begin, span.end - span.begin);
  }
  CHECK(covered == text.size());
  return out;
}

std::string error_of(const std::string& pattern) {
  try {
    Regex::compile(pattern, "test");
  } catch (const Error& error) {
    return error.kind();
  }
  return "";
}

}  // namespace

// Expectations recorded with tokenizers 0.23.3 (Split over the same pattern and text).
TEST_CASE("Patterns match as in Oniguruma") {
  CHECK(matches("\\w+", "a\u00B2b") == "|a\u00B2b");
  CHECK(matches("[\\w]+", "a\u00B2b") == "|a|b");
  CHECK(matches("a{,2}", "aaa") == "|aa|a");
  CHECK(matches("a{2}+", "aaaaa") == "|aaaa");
  CHECK(matches("a{2}?", "aaaa") == "|aa|aa");
  CHECK(matches("(?<=a|bc)d", "adbcd") == "|d|d");
  CHECK(matches("(?<=a+)d", "aad") == "|d");
  CHECK(matches("(?m:.)", "a\n") == "|a|\n");
  CHECK(matches("[a-z&&[^aeiou]]+", "hello") == "|h|ll");
  CHECK(matches("[[:^alpha:]]+", "a12b") == "|12");
  CHECK(matches("\\p{^L}+", "a12b") == "|12");
  CHECK(matches("a(?i)b|c", "aB C aC") == "|aB|aC");
  CHECK(matches("a++b", "aab") == "|aab");
  CHECK(matches("(?>a+)ab", "aaab") == "");
  CHECK(matches("\\R", "a\r\nb\n") == "|\r\n|\n");
  CHECK(matches("(?x: a b # both\n)", "ab") == "|ab");
  CHECK(matches("(?i:ss)", "\u00DF ss SS") == "|\u00DF|ss|SS");
  CHECK(matches("(?i:stra\u00DFe)", "STRASSE stra\u00DFe") == "|STRASSE|stra\u00DFe");
  CHECK(matches("(?i)k", "K k \u212A") == "|K|k|\u212A");
  CHECK(matches("a{1", "a{1") == "|a{1");
  CHECK(matches("(|a)+", "aa") == "|||");
  CHECK(matches("(a|)+", "aa") == "|aa");
  CHECK(matches("\\p{Han}+|\\p{Katakana}", "x\u6F22\u5B57\u30AB") == "|\u6F22\u5B57|\u30AB");
  CHECK(matches("'s|'t| ?\\p{L}+|\\s+(?!\\S)|\\s+", "it's  so") == "|it|'s| | so");
}

TEST_CASE("White space and letters are those of Unicode 16") {
  CHECK(matches("\\s", "\u0085\u180E\u200B\x1C\u3000") == "|\u0085|\u3000");
  CHECK(matches("\\p{L}", "\u1C8A\U00031350\U00016EA0") == "|\u1C8A|\U00031350");
}

TEST_CASE("Patterns that are wrong, or cannot be matched in linear time, are refused") {
  for (const char* pattern :
       {"(", "a)", "*a", "[b-a]", "[", "(?s:.)", "\\p{L", "[\\d-z]", "\\x{110000}", "(?<>a)", "[]"})
    CHECK(error_of(pattern) == "TOK_REGEX_INVALID");
  for (const char* pattern :
       {"(a)\\1", "\\G", "a\\Kb", "\\X", "(?~a)", "(?(1)a)", "\\g<1>", "\\p{Nonsense}", "(?{x})"})
    CHECK(error_of(pattern) == "TOK_REGEX_UNSUPPORTED");
  CHECK(error_of(std::string(10000, '(')) == "TOK_REGEX_UNSUPPORTED");
  CHECK(error_of("(((a{1000}){1000}){1000})") == "TOK_REGEX_UNSUPPORTED");
  CHECK(error_of("((?:){100000}){100000}") == "TOK_REGEX_UNSUPPORTED");
}

TEST_CASE("Matching takes linear time") {
  // Backtracking engines need quadratic or exponential time for each of these.
  const std::string letters(100'000, 'a');
  CHECK(matches("(a+)+$", letters + "b") == "");
  CHECK(matches("(a|a)*c", letters) == "");
  CHECK(matches("[a-z]+(?=[A-Z])", letters) == "");
  CHECK(matches("(?>a+)b", letters) == "");
  CHECK(matches("a(?=.*b)", letters) == "");
  CHECK(matches("(?<!a.*)b", letters + "b") == "");
  CHECK(matches("(?:a?){30}b", letters) == "");
}
