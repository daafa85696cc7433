#include "loaders/tokenizers/graphemes.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "loaders/tokenizers/unicode.h"
#include "loaders/tokenizers/unicode_data.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

// In the order of GRAPHEME in make_unicode_tables.py. extend, extend_incb and linker are one class but for
// GB9c.
enum class GraphemeClass : std::uint8_t {
  other,
  cr,
  lf,
  control,
  extend,
  extend_incb,
  linker,
  zwj,
  regional_indicator,
  prepend,
  spacing_mark,
  l,
  v,
  t,
  lv,
  lvt,
  pictographic,
  consonant,
};
using G = GraphemeClass;

GraphemeClass class_of(char32_t c) {
  if (c < 0x7F) return c >= 0x20 ? G::other : c == '\n' ? G::lf : c == '\r' ? G::cr : G::control;
  static const CodePointTable<std::uint8_t> table = [] {
    std::vector<std::pair<char32_t, std::uint8_t>> runs;
    for (const std::uint32_t run : std::span(unicode_data::kGraphemes, unicode_data::kGraphemesCount))
      runs.emplace_back(run >> 5, static_cast<std::uint8_t>(run & 31));
    return CodePointTable<std::uint8_t>(runs);
  }();
  return static_cast<GraphemeClass>(table[c]);
}

bool is_control(G c) {
  return c == G::cr || c == G::lf || c == G::control;
}
bool is_extend(G c) {
  return c == G::extend || c == G::extend_incb || c == G::linker;
}

}  // namespace

std::size_t grapheme_end(std::string_view text, std::size_t at) {
  CodePoint point = decode_utf8(text, at);
  G before = class_of(point.value);
  std::size_t end = at + point.length;
  bool conjunct = before == G::consonant;  // consonant, then only linkers and InCB extenders
  bool linked = false;                     // ... at least one linker among them
  bool emoji = before == G::pictographic;  // pictograph, then only extenders (and a final ZWJ)
  bool odd_indicators = before == G::regional_indicator;
  while (end < text.size()) {
    point = decode_utf8(text, end);
    const G after = class_of(point.value);
    bool joined = false;
    if (is_control(before) || is_control(after)) {
      joined = before == G::cr && after == G::lf;  // GB3, GB4, GB5
    } else if (before == G::l) {
      joined = after == G::l || after == G::v || after == G::lv || after == G::lvt;  // GB6
    } else if (before == G::lv || before == G::v) {
      joined = after == G::v || after == G::t;  // GB7
    } else if (before == G::lvt || before == G::t) {
      joined = after == G::t;  // GB8
    }
    if (!is_control(before) && !is_control(after)) {
      joined = joined || is_extend(after) || after == G::zwj || after == G::spacing_mark;  // GB9, GB9a
      joined = joined || before == G::prepend;                                             // GB9b
      joined = joined || (after == G::consonant && conjunct && linked);                    // GB9c
      joined = joined || (before == G::zwj && after == G::pictographic && emoji);          // GB11
      joined = joined || (after == G::regional_indicator && odd_indicators);               // GB12, GB13
    }
    if (!joined) break;
    const bool stays = after == G::extend_incb || after == G::linker || after == G::zwj;
    linked = conjunct && stays && (linked || after == G::linker);
    conjunct = (conjunct && stays) || after == G::consonant;
    if (after == G::consonant) linked = false;
    // The pictograph may be followed by extenders and one ZWJ, which must come last.
    emoji = after == G::pictographic || (emoji && before != G::zwj && (is_extend(after) || after == G::zwj));
    odd_indicators = after == G::regional_indicator && before != G::regional_indicator;
    before = after;
    end += point.length;
  }
  return end;
}

}  // namespace attend
