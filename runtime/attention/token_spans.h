// Which part of a text each of its tokens stands for, in code points, also where the tokenizer does not say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/tokenizer.h"

namespace attend {

using TextSpan = std::pair<std::int32_t, std::int32_t>;  // [start, end)

// UTF-8 as code points; invalid bytes become U+FFFD.
std::u32string code_points(std::string_view text);
std::string utf8(std::u32string_view code_points);
// White space, as Unicode has it.
bool is_space(char32_t c);

// Spans of pieces that spell `text` but for what normalisation changed, with U+2581 for spaces, as
// SentencePiece writes them: the fewest edits from one to the other decide. Empty pieces get empty spans.
std::vector<TextSpan> spans_of_pieces(std::string_view text, std::span<const std::string> pieces);

// Spans of `ids` in what the tokenizer decodes them to: each stands for what it adds to the text of those
// before it, without the white space in front.
std::vector<TextSpan> spans_of_decoding(const Tokenizer& tokenizer, std::span<const std::int32_t> ids);

}  // namespace attend
