// Regular expressions as the reference's engine (Oniguruma 6.9.10, Unicode 16) matches them, in linear time.
//
// A pattern only tells apart the sets of characters it names. Every character is therefore first mapped to a
// small class number, with the tables of unicode.h; the pattern becomes a program over classes. The program
// is run by backtracking, in the order that gives the leftmost match a backtracking engine would find. Once a
// text turns out to need much backtracking, states that failed are remembered (without back references,
// failing depends on the instruction and the position alone), so the whole scan takes time proportional to
// text times program size. Idea: Norvig 1991 (memoisation for context-free parsing); Cox 2010, "Regular
// Expression Matching in the Wild".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loaders/tokenizers/normalized_string.h"
#include "loaders/tokenizers/regex_syntax.h"
#include "loaders/tokenizers/unicode.h"

namespace attend {

class Regex {
 public:
  // Errors as parse_regex; a pattern that becomes too large is TOK_REGEX_UNSUPPORTED.
  static Regex compile(std::string_view pattern, const std::string& where);
  // Matches exactly `text`; the empty text matches between all characters.
  static Regex literal(std::string_view text, const std::string& where);

 private:
  friend class RegexCompiler;
  friend class RegexMatcher;

  enum class Op : std::uint8_t { consume, split, assertion, look, atomic, accept };
  struct Instruction {
    Op op = Op::accept;
    bool backward = false;  // consume and split: reads the character before the position
    bool negated = false;   // look
    RegexAssertion assertion = RegexAssertion::line_begin;
    std::uint32_t set = 0;            // consume: row of class_sets_
    std::uint32_t next = 0;           // split: tried first
    std::uint32_t other = 0;          // split: tried second; look, atomic: begin of the inner program
    std::uint32_t next_if_empty = 0;  // atomic: where to go on when nothing was consumed
    std::uint32_t split = 0;          // number among the splits
  };

  Regex(const RegexNode& root, const std::string& where);
  std::uint16_t class_of(char32_t c) const { return c < 128 ? ascii_classes_[c] : (*classes_)[c]; }
  bool in_set(std::uint32_t set, std::uint16_t cls) const {
    return (class_sets_[set * words_ + cls / 64] >> (cls % 64) & 1) != 0;
  }

  std::vector<Instruction> program_;
  std::uint32_t entry_ = 0;
  std::uint32_t splits_ = 0;
  std::shared_ptr<const CodePointTable<std::uint16_t>> classes_;
  std::array<std::uint16_t, 128> ascii_classes_{};
  std::uint16_t end_class_ = 0;  // what is before and after the text
  std::size_t words_ = 1;        // of one row
  std::vector<std::uint64_t> class_sets_;
  // Row i: classes of the next character with which instruction i may succeed.
  std::vector<std::uint64_t> first_;
};

// Scratch space for one thread.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex) : regex_(regex) {}

  // Fills `spans` with all matches and what is between them; together they cover the text. Matches may be
  // empty. A text without characters is one unmatched span.
  void find_all(std::string_view text, std::vector<MatchSpan>& spans);

 private:
  struct Frame {
    std::uint32_t pc, position;
    bool second;  // its second branch is being tried
  };
  enum class Purpose : std::uint8_t { match, atomic, look };
  static constexpr std::uint32_t kNoMatch = UINT32_MAX;

  // End of the match that begins at `position`, or kNoMatch.
  std::uint32_t run(std::uint32_t pc, std::uint32_t position, Purpose purpose);
  std::uint32_t accept(std::size_t base, std::uint32_t position, Purpose purpose);
  bool holds(RegexAssertion assertion, std::uint32_t position) const;
  bool is_word_at(std::uint32_t position) const;
  std::uint16_t class_at(std::uint32_t position, bool backward, std::uint32_t* length) const;
  bool may_succeed(std::uint32_t pc, std::uint16_t cls) const {
    return (regex_.first_[pc * regex_.words_ + cls / 64] >> (cls % 64) & 1) != 0;
  }
  std::uint64_t key(std::uint32_t pc, std::uint32_t position) const {
    return std::uint64_t{position} << 32 | pc;
  }
  bool has_failed(std::uint32_t split, std::uint32_t position) const;
  void mark_failed(std::uint32_t split, std::uint32_t position);

  static constexpr std::uint32_t kPageBits = 8;

  const Regex& regex_;
  std::string_view text_;
  std::vector<Frame> stack_;
  std::uint64_t steps_ = 0;
  bool remembering_ = false;
  std::vector<std::vector<std::uint64_t>> failed_;              // pages of 2^kPageBits positions
  std::unordered_map<std::uint64_t, std::uint32_t> succeeded_;  // end of the inner match from a state
};

}  // namespace attend
