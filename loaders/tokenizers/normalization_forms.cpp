#include "loaders/tokenizers/normalization_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "loaders/tokenizers/unicode.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

// Characters newer than Unicode 9 have no class and no decomposition in the reference.
int combining_class(char32_t c) {
  if (!is_normalizable(c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// Characters of the full decomposition; at most 18 (U+FDFA).
std::size_t decompose(char32_t c, bool compatibility, std::array<utf8proc_int32_t, 32>& out) {
  if (!is_normalizable(c)) {
    out[0] = static_cast<utf8proc_int32_t>(c);
    return 1;
  }
  int boundary = 0;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out.data(),
                              static_cast<utf8proc_ssize_t>(out.size()), options, &boundary);
  return static_cast<std::size_t>(count);
}

std::optional<char32_t> compose(char32_t first, char32_t second) {
  if (first < 0x3C || second < 0x300) return std::nullopt;
  std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(first),
                                          static_cast<utf8proc_int32_t>(second)};
  if (utf8proc_normalize_utf32(pair.data(), 2,
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE)) != 1)
    return std::nullopt;
  const auto composed = static_cast<char32_t>(pair[0]);
  if (!is_normalizable(composed)) return std::nullopt;
  return composed;
}

// Canonical ordering: each run of non-starters is sorted by class, stably.
std::vector<CharacterChange> decompose_text(std::string_view text, bool compatibility) {
  struct Item {
    int order;
    CharacterChange change;
  };
  std::vector<CharacterChange> out;
  out.reserve(text.size());
  std::vector<Item> run;
  const auto flush = [&] {
    std::stable_sort(run.begin(), run.end(), [](const Item& a, const Item& b) { return a.order < b.order; });
    for (const Item& item : run) out.push_back(item.change);
    run.clear();
  };
  std::array<utf8proc_int32_t, 32> parts{};
  for_each_code_point(text, [&](char32_t c, std::size_t) {
    const std::size_t count = decompose(c, compatibility, parts);
    for (std::size_t i = 0; i < count; ++i) {
      const auto part = static_cast<char32_t>(parts[i]);
      const int order = combining_class(part);
      if (order == 0 && !run.empty()) flush();
      const CharacterChange change{part, i == 0 ? 0 : 1};
      if (order == 0)
        out.push_back(change);
      else
        run.push_back({order, change});
    }
  });
  flush();
  return out;
}

// UAX #15's composition over a starter and what follows it. A character that is composed away gives its
// change to the starter, so that the trace still covers every old character.
std::vector<CharacterChange> compose_text(const std::vector<CharacterChange>& in) {
  std::vector<CharacterChange> out;
  out.reserve(in.size());
  std::optional<std::size_t> starter;  // its place in `out`
  int last_class = -1;                 // of the last character kept after the starter; -1 = none
  for (const CharacterChange& item : in) {
    const int order = combining_class(item.character);
    if (starter && last_class < order) {
      const bool adjacent = last_class == -1;
      if (adjacent || order != 0) {
        if (const auto composed = compose(out[*starter].character, item.character)) {
          out[*starter] = {*composed, out[*starter].change + item.change - 1};
          continue;
        }
      }
    }
    if (order == 0) {
      starter = out.size();
      last_class = -1;
    } else if (starter) {
      last_class = order;
    }
    out.push_back(item);
  }
  return out;
}

}  // namespace

std::vector<CharacterChange> normalize_form(std::string_view text, NormalizationForm form) {
  const bool compatibility = form == NormalizationForm::nfkc || form == NormalizationForm::nfkd;
  std::vector<CharacterChange> changes = decompose_text(text, compatibility);
  if (form == NormalizationForm::nfc || form == NormalizationForm::nfkc) return compose_text(changes);
  return changes;
}

bool is_normalized_in_all_forms(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    // Conjoining jamo compose without being normalizable themselves.
    if (c.value >= 0x300 && (is_normalizable(c.value) || (c.value >= 0x1100 && c.value <= 0x11FF)))
      return false;
    if (c.value >= 0x80 && is_normalizable(c.value)) return false;
    at += c.length;
  }
  return true;
}

}  // namespace attend
