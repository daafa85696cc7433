// Maps as a picture: a tile for each head, axes numbered by token.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/attention/panel.h"

namespace attend::cli {

// Throws Error: ATTENTION_SIZE for a picture of more than kMostPixels, OUTPUT when the file cannot be
// written.
inline constexpr std::int64_t kMostPixels = std::int64_t{64} << 20;
void write_png(const std::string& path, const std::vector<Panel>& panels);

}  // namespace attend::cli
