// What stands beside rows and columns of a map, and how wide it is in a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attend/attend.h"

namespace attend::cli {

// Columns that a terminal gives the text (East Asian Width: wide characters take two, marks none).
int display_width(std::string_view text);
// Cut to `width` columns, the last one an ellipsis where something was cut.
std::string fitted(std::string_view text, int width);
// The same, filled with spaces to exactly `width` columns.
std::string padded(std::string_view text, int width);

// The characters of a text with the marks that belong to them.
std::vector<std::string> characters(std::string_view text);

// Code points [start, end) of a text.
std::string slice(std::string_view text, std::int32_t start, std::int32_t end);

// A label for each token: its part of the text, else as the vocabulary spells it, else its id. White space
// and control characters are made visible.
std::vector<std::string> token_labels(const std::vector<AttentionToken>& tokens, std::string_view text);
// Of the rows and columns of a result; custom vectors have numbers.
std::vector<std::string> row_labels(const AttentionResult& result);
std::vector<std::string> column_labels(const AttentionResult& result);

}  // namespace attend::cli
