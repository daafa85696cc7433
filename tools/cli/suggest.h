// The word that was probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attend::cli {

// The candidate with the fewest edits from `word`, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
// "; nearest first: a, b, c (and 40 more)": what there is, most alike ones first; empty for no candidates.
std::string nearest_first(std::string_view word, std::vector<std::string> candidates);
// " Did you mean X?" with the given prefix before the word, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view prefix = "");

}  // namespace attend::cli
