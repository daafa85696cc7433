#include "tests/loaders/tokenizers/recorded_encodings.h"

#include <fmt/format.h>

#include <fstream>

namespace attend::test {
namespace {

template <typename T>
std::string member_difference(const char* name, const std::vector<T>& found, const nlohmann::json& row) {
  if (!row.contains(name)) return "";
  const nlohmann::json found_json = found;
  if (found_json == row[name]) return "";
  return fmt::format("{}: expected {}, found {}\n", name, row[name].dump(), found_json.dump());
}

}  // namespace

std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path) {
  std::vector<nlohmann::json> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

std::string encoding_difference(const Encoding& encoding, const nlohmann::json& row) {
  // A window may be recorded by its ids alone.
  if (row.is_array()) return encoding_difference(encoding, nlohmann::json{{"ids", row}});
  std::string all = member_difference("ids", encoding.ids, row);
  all += member_difference("tokens", encoding.tokens, row);
  all += member_difference("offsets", encoding.offsets, row);
  all += member_difference("type_ids", encoding.type_ids, row);
  all += member_difference("sequence_ids", encoding.sequence_ids, row);
  all += member_difference("special_tokens_mask", encoding.special_tokens_mask, row);
  all += member_difference("attention_mask", encoding.attention_mask, row);
  if (!row.contains("overflowing")) return all;
  const auto& windows = row["overflowing"];
  if (windows.size() > encoding.overflowing.size() || (windows.empty() && !encoding.overflowing.empty()))
    all += fmt::format("overflowing: expected {}, found {}\n", windows.size(), encoding.overflowing.size());
  for (std::size_t i = 0; i < windows.size() && i < encoding.overflowing.size(); ++i) {
    const std::string window = encoding_difference(encoding.overflowing[i], windows[i]);
    if (!window.empty()) all += fmt::format("overflowing[{}]: {}", i, window);
  }
  return all;
}

}  // namespace attend::test
