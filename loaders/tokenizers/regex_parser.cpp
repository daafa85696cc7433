#include "loaders/tokenizers/regex_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 * 1024;
constexpr std::size_t kMaxDepth = 100;
constexpr std::size_t kMaxRepeat = 100000;  // Oniguruma's limit

RegexNodePtr make(RegexNode::Kind kind) {
  auto node = std::make_unique<RegexNode>();
  node->kind = kind;
  return node;
}

RegexNodePtr make_set(CodePointSet set) {
  RegexNodePtr node = make(RegexNode::Kind::set);
  node->set = std::move(set);
  return node;
}

RegexNodePtr make_assertion(RegexAssertion assertion) {
  RegexNodePtr node = make(RegexNode::Kind::assertion);
  node->assertion = assertion;
  return node;
}

// Under (?i) these pairs and triples also match one ligature or sharp s.
struct Ligature {
  std::u32string_view letters;
  std::u32string_view characters;
};
constexpr Ligature kLigatures[] = {{U"ffi", U"\uFB03"},     {U"ffl", U"\uFB04"}, {U"ff", U"\uFB00"},
                                   {U"fi", U"\uFB01"},      {U"fl", U"\uFB02"},  {U"ss", U"\u00DF\u1E9E"},
                                   {U"st", U"\uFB05\uFB06"}};

}  // namespace

void RegexParser::invalid(std::string_view what) const {
  throw Error("TOK_REGEX_INVALID", where_,
              fmt::format("{} at byte {} of the pattern {}", what, at_, quote_text(pattern_)));
}

void RegexParser::unsupported(std::string_view what) const {
  throw Error(
      "TOK_REGEX_UNSUPPORTED", where_,
      fmt::format("{} at byte {} of the pattern {}; it cannot be matched in linear time or is not known",
                  what, at_, quote_text(pattern_)));
}

bool RegexParser::accept(std::string_view text) {
  if (!looking_at(text)) return false;
  at_ += text.size();
  return true;
}

char32_t RegexParser::next() {
  if (at_end()) invalid("the pattern ends too early");
  const CodePoint c = decode_utf8(pattern_, at_);
  at_ += c.length;
  return c.value;
}

void RegexParser::enter() {
  if (++depth_ > kMaxDepth) unsupported(fmt::format("more than {} nested groups", kMaxDepth));
}

RegexNodePtr RegexParser::parse() {
  if (pattern_.size() > kMaxPatternBytes)
    unsupported(fmt::format("a pattern of {} bytes (limit {})", pattern_.size(), kMaxPatternBytes));
  if (find_invalid_utf8(pattern_) != std::string_view::npos) invalid("bytes that are not UTF-8");
  RegexNodePtr node = parse_alternatives();
  if (!at_end()) invalid("unmatched close parenthesis");
  return node;
}

// Options set inside a group end with it; set in the middle of an alternative they take in the rest of the
// group.
RegexNodePtr RegexParser::parse_alternatives() {
  enter();
  const Options outer = options_;
  RegexNodePtr all = make(RegexNode::Kind::alternate);
  do {
    all->children.push_back(parse_sequence());
  } while (accept("|"));
  options_ = outer;
  leave();
  if (all->children.size() == 1) return std::move(all->children.front());
  return all;
}

RegexNodePtr RegexParser::parse_sequence() {
  RegexNodePtr sequence = make(RegexNode::Kind::concat);
  std::vector<char32_t> literals;  // for each child, the one character it is, or 0
  while (!at_end() && !looking_at("|") && !looking_at(")")) {
    if (options_.extended) {
      if (is_whitespace(peek())) {
        next();
        continue;
      }
      if (accept("#")) {
        while (!at_end() && next() != '\n') {
        }
        continue;
      }
    }
    const std::size_t begin = at_;
    const bool plain = !looking_at("\\") && !looking_at("[") && !looking_at("(") && !looking_at(".") &&
                       !looking_at("^") && !looking_at("$");
    const char32_t character = peek();
    RegexNodePtr atom = parse_atom();
    if (!atom) continue;
    const std::size_t atom_end = at_;
    atom = parse_repeats(std::move(atom));
    literals.push_back(plain && at_ == atom_end && begin != at_ && options_.ignore_case ? character : 0);
    sequence->children.push_back(std::move(atom));
  }
  split_multi_character_folds(sequence->children, literals);
  if (sequence->children.size() == 1) return std::move(sequence->children.front());
  return sequence;
}

void RegexParser::split_multi_character_folds(std::vector<RegexNodePtr>& sequence,
                                              const std::vector<char32_t>& literals) const {
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    for (const Ligature& ligature : kLigatures) {
      const std::size_t count = ligature.letters.size();
      if (i + count > literals.size()) continue;
      const bool same = std::equal(ligature.letters.begin(), ligature.letters.end(),
                                   literals.begin() + static_cast<std::ptrdiff_t>(i),
                                   [](char32_t a, char32_t b) { return to_lower(b) == a; });
      if (!same) continue;
      RegexNodePtr letters = make(RegexNode::Kind::concat);
      const auto first = sequence.begin() + static_cast<std::ptrdiff_t>(i);
      std::move(first, first + static_cast<std::ptrdiff_t>(count), std::back_inserter(letters->children));
      CodePointSet characters;
      for (const char32_t c : ligature.characters) characters.add(c, c);
      RegexNodePtr either = make(RegexNode::Kind::alternate);
      either->children.push_back(std::move(letters));
      either->children.push_back(make_set(std::move(characters)));
      sequence[i] = std::move(either);
      for (std::size_t j = 1; j < count; ++j) sequence[i + j] = make(RegexNode::Kind::empty);
      i += count - 1;
      break;
    }
  }
}

RegexNodePtr RegexParser::literal(char32_t c) const {
  CodePointSet set = CodePointSet::of(c, c);
  if (!options_.ignore_case) return make_set(std::move(set));
  for (const Ligature& ligature : kLigatures) {
    if (ligature.characters.find(c) == std::u32string_view::npos) continue;
    RegexNodePtr letters = make(RegexNode::Kind::concat);
    for (const char32_t letter : ligature.letters) letters->children.push_back(literal(letter));
    CodePointSet characters;
    for (const char32_t other : ligature.characters) characters.add(other, other);
    RegexNodePtr either = make(RegexNode::Kind::alternate);
    either->children.push_back(make_set(std::move(characters)));
    either->children.push_back(std::move(letters));
    return either;
  }
  // These too fold to several characters; all others fold one to one.
  const bool multiple = c == 0x130 || c == 0x149 || c == 0x1F0 || c == 0x390 || c == 0x3B0 || c == 0x587 ||
                        (c >= 0x1E96 && c <= 0x1E9A) || (c >= 0x1F50 && c <= 0x1FFC) ||
                        (c >= 0xFB13 && c <= 0xFB17);
  if (multiple) unsupported("a character without regard to case that stands for several");
  add_case_variants(set);
  return make_set(std::move(set));
}

RegexNodePtr RegexParser::parse_atom() {
  const char32_t c = next();
  switch (c) {
    case '(': return parse_group();
    case '[': return make_set(parse_class());
    case '\\': return parse_escape();
    case '^': return make_assertion(RegexAssertion::line_begin);
    case '$': return make_assertion(RegexAssertion::line_end);
    case '.': {
      CodePointSet set = CodePointSet::all();
      if (!options_.dot_all) set.remove(CodePointSet::of('\n', '\n'));
      return make_set(std::move(set));
    }
    case '*':
    case '+':
    case '?': invalid("nothing before the repetition"); break;
    default: return literal(c);
  }
  return nullptr;
}

RegexNodePtr RegexParser::parse_group() {
  if (looking_at("*")) unsupported("a callout");
  RegexNodePtr group;
  if (!accept("?")) {
    group = parse_alternatives();
  } else if (accept("#")) {
    while (next() != ')') {
    }
    return nullptr;
  } else if (accept(":")) {
    group = parse_alternatives();
  } else if (accept(">")) {
    group = make(RegexNode::Kind::atomic);
    group->children.push_back(parse_alternatives());
  } else if (looking_at("=") || looking_at("!") || looking_at("<=") || looking_at("<!")) {
    group = make(RegexNode::Kind::look);
    group->behind = accept("<");
    group->negated = next() == '!';
    group->children.push_back(parse_alternatives());
  } else if (looking_at("<") || looking_at("'")) {
    const char32_t close = next() == '<' ? U'>' : U'\'';
    std::size_t length = 0;
    for (; peek() != close; ++length)
      if (!is_word_character(next())) invalid("a group name that is not a word");
    if (length == 0) invalid("an empty group name");
    next();
    group = parse_alternatives();
  } else if (looking_at("~") || looking_at("(") || looking_at("{")) {
    unsupported("an absent group, condition or callout");
  } else {
    return parse_options_group();
  }
  if (!accept(")")) invalid("missing close parenthesis");
  return group;
}

// (?imx-imx) for the rest of the enclosing group, (?imx-imx:...) for this one.
RegexNodePtr RegexParser::parse_options_group() {
  Options changed = options_;
  bool on = true;
  for (;;) {
    const char32_t c = next();
    if (c == ')' || c == ':') {
      const Options outer = options_;
      options_ = changed;
      RegexNodePtr group = parse_alternatives();
      if (c == ')') {
        // The rest belongs to this alternative; the close parenthesis to the enclosing group.
        options_ = changed;
        return group;
      }
      options_ = outer;
      if (!accept(")")) invalid("missing close parenthesis");
      return group;
    }
    switch (c) {
      case '-': on = false; break;
      case 'i': changed.ignore_case = on; break;
      case 'm': changed.dot_all = on; break;
      case 'x': changed.extended = on; break;
      case 'W':
      case 'D':
      case 'S':
      case 'P':
      case 'y':
      case 'C':
      case 'I':
      case 'L': unsupported("an option of ASCII classes, text segments or whole patterns"); break;
      default: invalid("undefined group option");
    }
  }
}

RegexNodePtr RegexParser::parse_repeats(RegexNodePtr atom) {
  for (;;) {
    std::size_t min = 0, max = RegexNode::kUnlimited;
    bool greedy = true, possessive = false;
    if (options_.extended)
      while (!at_end() && is_whitespace(peek())) next();
    if (accept("*")) {
    } else if (accept("+")) {
      min = 1;
    } else if (accept("?")) {
      max = 1;
    } else if (looking_at("{") && parse_braces(&min, &max, &possessive)) {
      // {n}? is optional, not lazy; {n,m}+ repeats, it is not possessive.
      if (min != max && !possessive && accept("?")) greedy = false;
      RegexNodePtr node = make(RegexNode::Kind::repeat);
      node->min = min;
      node->max = max;
      node->greedy = greedy;
      node->children.push_back(std::move(atom));
      atom = std::move(node);
      if (possessive) {
        node = make(RegexNode::Kind::atomic);
        node->children.push_back(std::move(atom));
        atom = std::move(node);
      }
      continue;
    } else {
      return atom;
    }
    if (atom->kind == RegexNode::Kind::look || atom->kind == RegexNode::Kind::assertion)
      invalid("a repetition of something that matches no character");
    if (accept("?"))
      greedy = false;
    else if (accept("+"))
      possessive = true;
    RegexNodePtr node = make(RegexNode::Kind::repeat);
    node->min = min;
    node->max = max;
    node->greedy = greedy;
    node->children.push_back(std::move(atom));
    atom = std::move(node);
    if (possessive) {
      node = make(RegexNode::Kind::atomic);
      node->children.push_back(std::move(atom));
      atom = std::move(node);
    }
  }
}

// {n}, {n,}, {,m}, {n,m}; {m,n} with m > n is possessive. Anything else is no repetition but literal text.
bool RegexParser::parse_braces(std::size_t* min, std::size_t* max, bool* possessive) {
  const std::size_t begin = at_;
  const auto number = [&](std::size_t* value) {
    const std::size_t first = at_;
    *value = 0;
    while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      *value = *value * 10 + static_cast<std::size_t>(pattern_[at_++] - '0');
      if (*value > kMaxRepeat) invalid("a repetition count that is too big");
    }
    return at_ != first;
  };
  accept("{");
  const bool has_min = number(min);
  bool has_max = has_min;
  *max = *min;
  if (accept(",")) {
    has_max = number(max);
    if (!has_max) *max = RegexNode::kUnlimited;
  }
  if ((!has_min && !has_max) || !accept("}")) {
    at_ = begin;
    return false;
  }
  if (*min > *max) {
    std::swap(*min, *max);
    *possessive = true;
  }
  return true;
}

RegexNodePtr RegexParser::parse_escape() {
  const char32_t c = next();
  CodePointSet set;
  if (parse_set_escape(c, false, &set)) return make_set(std::move(set));
  switch (c) {
    case 'b': return make_assertion(RegexAssertion::word_boundary);
    case 'B': return make_assertion(RegexAssertion::no_word_boundary);
    case 'A': return make_assertion(RegexAssertion::text_begin);
    case 'z': return make_assertion(RegexAssertion::text_end);
    case 'Z': return make_assertion(RegexAssertion::text_end_newline);
    case 'N': return make_set(CodePointSet::of('\n', '\n').complement());
    case 'O': return make_set(CodePointSet::all());
    case 'R': {
      // (?>\r\n|[\n-\r\u0085\u2028\u2029])
      RegexNodePtr pair = make(RegexNode::Kind::concat);
      pair->children.push_back(make_set(CodePointSet::of('\r', '\r')));
      pair->children.push_back(make_set(CodePointSet::of('\n', '\n')));
      CodePointSet newline = CodePointSet::of('\n', '\r');
      newline.add(0x85, 0x85);
      newline.add(0x2028, 0x2029);
      RegexNodePtr either = make(RegexNode::Kind::alternate);
      either->children.push_back(std::move(pair));
      either->children.push_back(make_set(std::move(newline)));
      RegexNodePtr atomic = make(RegexNode::Kind::atomic);
      atomic->children.push_back(std::move(either));
      return atomic;
    }
    case 'G':
    case 'K':
    case 'X':
    case 'y':
    case 'Y': unsupported("\\G, \\K, \\X, \\y or \\Y"); break;
    case 'k':
    case 'g': unsupported("a back reference or subexpression call"); break;
    default: break;
  }
  if (c >= '1' && c <= '9') unsupported("a back reference");
  return literal(parse_character_escape(c));
}

RegexNodePtr parse_regex(std::string_view pattern, const std::string& where) {
  return RegexParser(pattern, where).parse();
}

}  // namespace attend
