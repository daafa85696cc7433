#include "tools/cli/attention/panel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "tools/cli/attention/labels.h"

namespace attend::cli {

std::string panel_title(const AttentionResult& result, const AttentionMap& map, int index) {
  const std::string heads = index >= 0 ? fmt::format("head {}", map.heads[static_cast<std::size_t>(index)])
                            : map.heads.size() == 1 ? fmt::format("head {}", map.heads.front())
                                                    : fmt::format("mean of {} heads", map.heads.size());
  const std::string_view kind = result.kind == AttentionKind::cross ? "cross" : "self";
  const std::string_view side = result.kind == AttentionKind::cross     ? ""
                                : result.kind == AttentionKind::encoder ? "encoder "
                                                                        : "decoder ";
  return fmt::format("{}{}-attention, layer {}, {}", side, kind, map.layer, heads);
}

Panel make_panel(const AttentionResult& result, const AttentionMap& map, int index) {
  Panel panel{.title = panel_title(result, map, index),
              .rows = row_labels(result),
              .columns = column_labels(result),
              .weights = {}};
  const Shape& shape = map.weights.shape();
  const auto size = static_cast<std::size_t>(shape[1] * shape[2]);
  const std::size_t first = index < 0 ? 0 : static_cast<std::size_t>(index);
  const std::size_t count = index < 0 ? map.heads.size() : 1;
  panel.weights.assign(size, 0.0F);
  for (std::size_t h = first; h < first + count; ++h) {
    const auto weights = map.weights.f32().subspan(h * size, size);
    for (std::size_t i = 0; i < size; ++i) panel.weights[i] += weights[i] / static_cast<float>(count);
  }
  panel.number = map.heads[first];
  for (const float weight : panel.weights) panel.largest = std::max(panel.largest, weight);
  return panel;
}

Rgb heat_colour(float value) {
  static constexpr std::array<std::array<float, 3>, 10> kViridis = {{{68, 1, 84},
                                                                     {72, 40, 120},
                                                                     {62, 73, 137},
                                                                     {49, 104, 142},
                                                                     {38, 130, 142},
                                                                     {31, 158, 137},
                                                                     {53, 183, 121},
                                                                     {110, 206, 88},
                                                                     {181, 222, 43},
                                                                     {253, 231, 37}}};
  const float place = std::clamp(value, 0.0F, 1.0F) * static_cast<float>(kViridis.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(place), kViridis.size() - 2);
  const float part = place - static_cast<float>(low);
  const auto channel = [&](std::size_t c) {
    return static_cast<std::uint8_t>(
        std::lround(kViridis[low][c] + part * (kViridis[low + 1][c] - kViridis[low][c])));
  };
  return {channel(0), channel(1), channel(2)};
}

}  // namespace attend::cli
