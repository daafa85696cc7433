// Extended grapheme clusters (UAX #29, Unicode 17 with GB9c), as the reference's Precompiled normalizer cuts
// them.
#pragma once

#include <cstddef>
#include <string_view>

namespace attend {

// End of the cluster that begins at `at`, which is inside the text.
std::size_t grapheme_end(std::string_view text, std::size_t at);

}  // namespace attend
