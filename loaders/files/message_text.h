// Text of untrusted origin made fit for an error message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attend {

// Offset of the first byte that is not part of valid UTF-8 (overlong forms, surrogates and values above
// U+10FFFF are invalid), or npos.
std::size_t find_invalid_utf8(std::string_view text);

// `text` in double quotes, control and invalid bytes as \xNN, cut after about `max_bytes` with "...".
std::string quote_text(std::string_view text, std::size_t max_bytes = 80);

}  // namespace attend
