// A page that shows maps: one file that needs nothing else, for any browser.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "attend/attend.h"

namespace attend::cli {

// Weights that a page holds at most: about 8 MB of text. Larger results are cut to the last layers that fit,
// or, where a single layer does not, to the first tokens of both sides.
inline constexpr std::size_t kMostPageWeights = 3'000'000;

struct PageText {
  std::string html;
  std::string limit;  // what was left out, as a sentence; empty: nothing
};

// `model` is shown in the title.
PageText attention_page(const std::string& model, const AttentionResult& result,
                        std::size_t most_weights = kMostPageWeights);

}  // namespace attend::cli
