#include "loaders/tokenizers/unicode.h"

#include <algorithm>
#include <span>
#include <string>

#include "loaders/tokenizers/unicode_data.h"

namespace attend {
namespace {

using unicode_data::CaseRun;

CodePointSet set_of(const std::uint32_t* bounds, std::size_t count) {
  CodePointSet set;
  for (std::size_t i = 0; i + 1 < count; i += 2) set.add(bounds[i], bounds[i + 1]);
  return set;
}
#define ATTEND_UNICODE_SET(name) set_of(unicode_data::name, unicode_data::name##Count)

// Code points of the runs whose value is accepted.
template <typename Accept>
CodePointSet set_of_runs(const std::uint32_t* runs, std::size_t count, unsigned bits, Accept&& accept) {
  CodePointSet set;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t last = i + 1 < count ? (runs[i + 1] >> bits) - 1 : 0x10FFFF;
    if (accept(runs[i] & ((1u << bits) - 1))) set.add(runs[i] >> bits, last);
  }
  return set;
}

constexpr std::string_view kCategoryNames[] = {"cn", "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd",
                                               "nl", "no", "pc", "pd", "ps", "pe", "pi", "pf", "po", "sm",
                                               "sc", "sk", "so", "zs", "zl", "zp", "cc", "cf", "co"};

// One or two letters, or `lc` for cased letters.
bool find_category(std::string_view name, CodePointSet* out) {
  bool found = false;
  *out = set_of_runs(unicode_data::kCategories, unicode_data::kCategoriesCount, 5, [&](std::uint32_t value) {
    const std::string_view category = kCategoryNames[value];
    const bool in = name == category || (name.size() == 1 && category[0] == name[0]) ||
                    (name == "lc" && (category == "lu" || category == "ll" || category == "lt"));
    found |= in;
    return in;
  });
  return found;
}

struct Alias {
  std::string_view name, category;
};
constexpr Alias kCategoryAliases[] = {{"other", "c"},
                                      {"control", "cc"},
                                      {"format", "cf"},
                                      {"unassigned", "cn"},
                                      {"privateuse", "co"},
                                      {"letter", "l"},
                                      {"casedletter", "lc"},
                                      {"lowercaseletter", "ll"},
                                      {"modifierletter", "lm"},
                                      {"otherletter", "lo"},
                                      {"titlecaseletter", "lt"},
                                      {"uppercaseletter", "lu"},
                                      {"mark", "m"},
                                      {"combiningmark", "m"},
                                      {"spacingmark", "mc"},
                                      {"enclosingmark", "me"},
                                      {"nonspacingmark", "mn"},
                                      {"number", "n"},
                                      {"decimalnumber", "nd"},
                                      {"letternumber", "nl"},
                                      {"othernumber", "no"},
                                      {"punctuation", "p"},
                                      {"connectorpunctuation", "pc"},
                                      {"dashpunctuation", "pd"},
                                      {"closepunctuation", "pe"},
                                      {"finalpunctuation", "pf"},
                                      {"initialpunctuation", "pi"},
                                      {"otherpunctuation", "po"},
                                      {"openpunctuation", "ps"},
                                      {"symbol", "s"},
                                      {"currencysymbol", "sc"},
                                      {"modifiersymbol", "sk"},
                                      {"mathsymbol", "sm"},
                                      {"othersymbol", "so"},
                                      {"separator", "z"},
                                      {"lineseparator", "zl"},
                                      {"paragraphseparator", "zp"},
                                      {"spaceseparator", "zs"},
                                      {"hani", "han"},
                                      {"hira", "hiragana"},
                                      {"kana", "katakana"},
                                      {"hang", "hangul"},
                                      {"latn", "latin"},
                                      {"cyrl", "cyrillic"},
                                      {"grek", "greek"},
                                      {"arab", "arabic"},
                                      {"hebr", "hebrew"},
                                      {"deva", "devanagari"},
                                      {"zyyy", "common"},
                                      {"zinh", "inherited"}};

CodePointSet categories(std::initializer_list<std::string_view> names) {
  CodePointSet set, part;
  for (const std::string_view name : names)
    if (find_category(name, &part)) set.add(part);
  return set;
}

bool find_script(std::string_view name, CodePointSet* out) {
  for (std::size_t i = 1; i < unicode_data::kScriptNamesCount; ++i) {
    if (unicode_data::kScriptNames[i] != name) continue;
    *out = set_of_runs(unicode_data::kScripts, unicode_data::kScriptsCount, 8,
                       [&](std::uint32_t value) { return value == i; });
    return true;
  }
  return false;
}

CodePointSet whitespace_set() {
  CodePointSet set;
  for (char32_t c = 0; c <= 0x3000; ++c)
    if (is_whitespace(c)) set.add(c, c);
  return set;
}

CodePointSet alphabetic_set() {
  CodePointSet set = categories({"l", "nl"});
  set.add(ATTEND_UNICODE_SET(kOtherAlphabetic));
  return set;
}

CodePointSet word_set() {
  CodePointSet set = alphabetic_set();
  set.add(categories({"m", "nd", "pc"}));
  return set;
}

// POSIX classes and the properties that are neither category nor script.
bool find_class(std::string_view name, CodePointSet* out) {
  CodePointSet& set = *out;
  if (name == "any") {
    set = CodePointSet::all();
  } else if (name == "assigned") {
    set = categories({"cn"}).complement();
  } else if (name == "ascii") {
    set = CodePointSet::of(0, 0x7F);
  } else if (name == "alpha" || name == "alphabetic") {
    set = alphabetic_set();
  } else if (name == "alnum") {
    set = alphabetic_set();
    set.add(categories({"nd"}));
  } else if (name == "word") {
    set = word_set();
  } else if (name == "digit") {
    set = categories({"nd"});
  } else if (name == "lower" || name == "lowercase") {
    set = categories({"ll"});
    set.add(ATTEND_UNICODE_SET(kOtherLowercase));
  } else if (name == "upper" || name == "uppercase") {
    set = categories({"lu"});
    set.add(ATTEND_UNICODE_SET(kOtherUppercase));
  } else if (name == "punct") {
    set = categories({"p", "s"});
  } else if (name == "space" || name == "whitespace") {
    set = whitespace_set();
  } else if (name == "blank") {
    set = categories({"zs"});
    set.add('\t', '\t');
  } else if (name == "cntrl") {
    set = categories({"cc"});
  } else if (name == "graph" || name == "print") {
    set = categories({"cc", "cn", "zl", "zp"});
    if (name == "graph") set.add(categories({"zs"}));
    set.add(0xD800, 0xDFFF);
    set = set.complement();
  } else if (name == "xdigit") {
    set = CodePointSet::of('0', '9');
    set.add('A', 'F');
    set.add('a', 'f');
  } else if (name == "emoji") {
    set = ATTEND_UNICODE_SET(kEmoji);
  } else if (name == "extendedpictographic") {
    set = ATTEND_UNICODE_SET(kExtendedPictographic);
  } else {
    return false;
  }
  return true;
}

enum Property : std::uint8_t {
  kIsNumeric = 1,
  kIsPunctuation = 2,
  kIsWord = 4,
  kIsCleaned = 8,
  kIsAccent = 16,
  kIsBertAccent = 32,
  kIsNormalizable = 64,
  kHasLower = 128,
};

template <typename Value>
std::vector<std::pair<char32_t, Value>> to_runs(const std::vector<Value>& values) {
  std::vector<std::pair<char32_t, Value>> runs;
  for (char32_t c = 0; c < values.size(); ++c)
    if (runs.empty() || runs.back().second != values[c]) runs.emplace_back(c, values[c]);
  return runs;
}

CodePointTable<std::uint8_t> build_properties() {
  std::vector<std::uint8_t> values(0x110000, 0);
  const auto mark = [&](const CodePointSet& set, std::uint8_t bit) {
    for (const auto& [first, last] : set.ranges())
      for (char32_t c = first; c <= last; ++c) values[c] = static_cast<std::uint8_t>(values[c] | bit);
  };
  mark(ATTEND_UNICODE_SET(kNumeric), kIsNumeric);
  mark(ATTEND_UNICODE_SET(kPunctuation), kIsPunctuation);
  CodePointSet word = word_set();
  word.add(0x200C, 0x200D);
  mark(word, kIsWord);
  mark(ATTEND_UNICODE_SET(kCleanedText), kIsCleaned);
  mark(ATTEND_UNICODE_SET(kAccents), kIsAccent);
  mark(ATTEND_UNICODE_SET(kBertAccents), kIsBertAccent);
  mark(ATTEND_UNICODE_SET(kNormalizable), kIsNormalizable);
  for (const CaseRun& run : std::span(unicode_data::kLower, unicode_data::kLowerCount))
    for (char32_t c = run.first; c <= run.last; c += static_cast<char32_t>(run.stride))
      values[c] = static_cast<std::uint8_t>(values[c] | kHasLower);
  values[0x130] = static_cast<std::uint8_t>(values[0x130] | kHasLower);
  return CodePointTable<std::uint8_t>(to_runs(values));
}

bool has(char32_t c, Property property) {
  static const CodePointTable<std::uint8_t> table = build_properties();
  return (table[c] & property) != 0;
}

}  // namespace

CodePointSet CodePointSet::of(char32_t first, char32_t last) {
  CodePointSet set;
  set.ranges_.emplace_back(first, last);
  return set;
}

void CodePointSet::add(char32_t first, char32_t last) {
  const bool at_end = ranges_.empty() || ranges_.back().second + 1 < first;
  ranges_.emplace_back(first, last);
  if (!at_end) normalize();
}

void CodePointSet::add(const CodePointSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalize();
}

void CodePointSet::normalize() {
  std::sort(ranges_.begin(), ranges_.end());
  std::size_t kept = 0;
  for (const Range& range : ranges_) {
    if (kept > 0 && range.first <= ranges_[kept - 1].second + 1)
      ranges_[kept - 1].second = std::max(ranges_[kept - 1].second, range.second);
    else
      ranges_[kept++] = range;
  }
  ranges_.resize(kept);
}

CodePointSet CodePointSet::complement() const {
  CodePointSet out;
  char32_t next = 0;
  for (const auto& [first, last] : ranges_) {
    if (first > next) out.ranges_.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next <= 0x10FFFF) out.ranges_.emplace_back(next, 0x10FFFF);
  return out;
}

void CodePointSet::intersect(const CodePointSet& other) {
  CodePointSet outside = complement();
  outside.add(other.complement());
  *this = outside.complement();
}

void CodePointSet::remove(const CodePointSet& other) {
  intersect(other.complement());
}

bool CodePointSet::contains(char32_t c) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                      [](char32_t value, const Range& range) { return value < range.first; });
  return after != ranges_.begin() && c <= std::prev(after)->second;
}

bool is_numeric(char32_t c) {
  return has(c, kIsNumeric);
}
bool is_punctuation(char32_t c) {
  return has(c, kIsPunctuation);
}
bool is_word_character(char32_t c) {
  return has(c, kIsWord);
}
bool is_cleaned_text(char32_t c) {
  return has(c, kIsCleaned);
}
bool is_accent(char32_t c) {
  return has(c, kIsAccent);
}
bool is_bert_accent(char32_t c) {
  return has(c, kIsBertAccent);
}
bool is_normalizable(char32_t c) {
  return c >= 0x80 && has(c, kIsNormalizable);
}

bool is_cjk_ideograph(char32_t c) {
  if (c < 0x3400) return false;
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::uint8_t split_script(char32_t c) {
  static const CodePointTable<std::uint8_t> table = [] {
    std::vector<std::pair<char32_t, std::uint8_t>> runs;
    for (const std::uint32_t run : std::span(unicode_data::kSplitScripts, unicode_data::kSplitScriptsCount))
      runs.emplace_back(run >> 8, static_cast<std::uint8_t>(run & 0xFF));
    return CodePointTable<std::uint8_t>(runs);
  }();
  return table[c];
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (!has(c, kHasLower)) return c;
  if (c == 0x130) return 'i';
  const std::span runs(unicode_data::kLower, unicode_data::kLowerCount);
  const auto after = std::upper_bound(runs.begin(), runs.end(), c,
                                      [](char32_t value, const CaseRun& run) { return value < run.first; });
  const auto run = std::prev(after);
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + run->delta);
}

bool find_property(std::string_view name, CodePointSet* out) {
  std::string key;
  for (const char c : name)
    if (c != ' ' && c != '-' && c != '_') key.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  for (const Alias& alias : kCategoryAliases)
    if (alias.name == key) key = alias.category;
  return find_class(key, out) || find_category(key, out) || find_script(key, out);
}

void add_case_variants(CodePointSet& set) {
  CodePointSet variants;
  for (const CaseRun& run : std::span(unicode_data::kFolds, unicode_data::kFoldsCount))
    for (char32_t c = run.first; c <= run.last; c += static_cast<char32_t>(run.stride))
      if (set.contains(c)) {
        const auto other = static_cast<char32_t>(static_cast<std::int32_t>(c) + run.delta);
        variants.add(other, other);
      }
  set.add(variants);
}

}  // namespace attend
