// A map as text: a row for each query, two terminal columns for each key.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/attention/panel.h"

namespace attend::cli {

struct TextStyle {
  int width = 80;
  bool colour = false;  // 24-bit backgrounds; shades of blocks otherwise
};

// For standard output: the terminal's width; colours when it is a terminal and NO_COLOR is not set.
TextStyle terminal_style();

// Lines of at most `style.width` columns. Keys that do not fit beside each other go into further blocks.
std::vector<std::string> draw_heat_map(const Panel& panel, const TextStyle& style);

}  // namespace attend::cli
