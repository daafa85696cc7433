// One map as it is drawn: a matrix of weights with labels, and the colours of weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attend/attend.h"

namespace attend::cli {

struct Panel {
  std::string title;
  std::vector<std::string> rows, columns;
  std::vector<float> weights;  // [rows, columns]
  float largest = 0;
  std::int64_t number = 0;  // of the head

  float at(std::size_t row, std::size_t column) const { return weights[row * columns.size() + column]; }
};

// Head `index` of a map, or the mean of all its heads when it is negative.
Panel make_panel(const AttentionResult& result, const AttentionMap& map, int index);

// "cross-attention, layer 1, head 2"
std::string panel_title(const AttentionResult& result, const AttentionMap& map, int index);

struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
};
// From dark (0) to bright (1), even to the eye and in grey: viridis (van der Walt and Smith 2015).
Rgb heat_colour(float value);

}  // namespace attend::cli
