// Operations on encodings: cutting into windows, joining, padding. As the reference does them, window by
// window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "attend/tokenizer.h"

namespace attend {

// Keeps the first window of `max_length` tokens; the others go to `overflowing`. Windows share `stride`
// tokens. Errors: TRUNCATION_STRIDE (usage).
void truncate_encoding(Encoding& encoding, std::size_t max_length, const Truncation& truncation);

// Cuts one sequence, or two, to truncation.max_length tokens less `added` special ones. Errors (usage):
// TRUNCATION_LENGTH, TRUNCATION_STRIDE, TRUNCATION_PAIR.
void truncate_sequences(std::vector<Encoding>& sequences, const Truncation& truncation, std::size_t added);

// Appends `next`. Every window of the one is joined with every window of the other. Error TRUNCATION_WINDOWS.
void append_encoding(Encoding& encoding, const Encoding& next);

// `token` alone, as special token that was added.
Encoding special_encoding(std::int32_t id, const std::string& token, std::int32_t type_id, bool ids_only);

}  // namespace attend
