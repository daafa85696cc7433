#include "tools/cli/attention/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "attention_page.h"  // made from page.html
#include "tools/cli/attention/labels.h"

namespace attend::cli {
namespace {

constexpr float kFullWeight = 65535.0F;

// RFC 4648.
std::string base64(const std::vector<std::uint8_t>& bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? kAlphabet[group >> (18 - 6 * k) & 63U] : '=';
  }
  return text;
}

// The first rows and columns of every head, in 65535ths, 16 bits each.
std::string packed(const AttentionMap& map, std::size_t rows, std::size_t columns) {
  const auto weights = map.weights.f32();
  const Shape& shape = map.weights.shape();
  std::vector<std::uint8_t> bytes;
  bytes.reserve(map.heads.size() * rows * columns * 2);
  for (std::int64_t h = 0; h < shape[0]; ++h) {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) {
        const auto at =
            static_cast<std::size_t>((h * shape[1] + static_cast<std::int64_t>(r)) * shape[2]) + c;
        const auto value =
            static_cast<std::uint32_t>(std::lround(std::clamp(weights[at], 0.0F, 1.0F) * kFullWeight));
        bytes.push_back(static_cast<std::uint8_t>(value & 0xFFU));
        bytes.push_back(static_cast<std::uint8_t>(value >> 8));
      }
    }
  }
  return base64(bytes);
}

std::vector<std::string> first_of(std::vector<std::string> labels, std::size_t count) {
  labels.resize(std::min(labels.size(), count));
  return labels;
}

struct Part {
  std::size_t first_map = 0, rows = 0, columns = 0;
  std::string limit;
};

Part part_that_fits(const AttentionResult& result, std::size_t most) {
  const Shape& shape = result.maps.front().weights.shape();
  Part part{
      .rows = static_cast<std::size_t>(shape[1]), .columns = static_cast<std::size_t>(shape[2]), .limit = {}};
  part.first_map = result.maps.size();
  std::size_t weights = 0;
  while (part.first_map > 0) {
    weights += static_cast<std::size_t>(result.maps[part.first_map - 1].weights.shape().elements());
    if (weights > most) break;
    --part.first_map;
  }
  if (part.first_map == 0) return part;
  if (part.first_map < result.maps.size()) {
    part.limit = fmt::format("The page holds the last {} of {} layers; the others would make it too large.",
                             result.maps.size() - part.first_map, result.maps.size());
    return part;
  }
  part.first_map = result.maps.size() - 1;
  const std::size_t heads = result.maps.back().heads.size();
  const auto side =
      static_cast<std::size_t>(std::sqrt(static_cast<double>(most) / static_cast<double>(heads)));
  const std::size_t rows = part.rows;
  const std::size_t columns = part.columns;
  part.rows = std::min(rows, side);
  part.columns = std::min(columns, side);
  part.limit = fmt::format(
      "The page holds the first {} of {} queries and {} of {} keys{}; all of them would make it too large.",
      part.rows, rows, part.columns, columns, result.maps.size() > 1 ? " of the last layer" : "");
  return part;
}

// JSON that may stand inside a script element: no "<" at all.
std::string script_safe(const nlohmann::ordered_json& value) {
  std::string text;
  for (const char c : value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

PageText attention_page(const std::string& model, const AttentionResult& result, std::size_t most_weights) {
  const Part part = part_that_fits(result, most_weights);
  nlohmann::ordered_json data = {{"model", model},
                                 {"kind", to_string(result.kind)},
                                 {"rows", first_of(row_labels(result), part.rows)},
                                 {"columns", first_of(column_labels(result), part.columns)},
                                 {"rows_text", result.query_text},
                                 {"columns_text", result.key_text},
                                 {"limit", part.limit},
                                 {"layers", nlohmann::ordered_json::array()}};
  for (std::size_t m = part.first_map; m < result.maps.size(); ++m) {
    const AttentionMap& map = result.maps[m];
    data["layers"].push_back(
        {{"layer", map.layer}, {"heads", map.heads}, {"weights", packed(map, part.rows, part.columns)}});
  }
  constexpr std::string_view kMark = "ATTEND_DATA";
  std::string html = kAttentionPage;
  html.replace(html.find(kMark), kMark.size(), script_safe(data));
  return {std::move(html), part.limit};
}

}  // namespace attend::cli
