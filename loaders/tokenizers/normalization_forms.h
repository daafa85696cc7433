// NFC, NFD, NFKC and NFKD of Unicode 9, as the reference computes them, with the trace it keeps for offsets.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace attend {

enum class NormalizationForm { nfc, nfd, nfkc, nfkd };

// A character of the new text and what it does to the old one: 0 replaces the next old character, 1 is
// inserted, -N replaces the next old character and removes the N after it.
struct CharacterChange {
  char32_t character;
  int change;
};

std::vector<CharacterChange> normalize_form(std::string_view text, NormalizationForm form);

// True when no form changes anything in the text.
bool is_normalized_in_all_forms(std::string_view text);

}  // namespace attend
