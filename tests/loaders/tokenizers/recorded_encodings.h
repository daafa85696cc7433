// Compares a tokenizer with what the reference library recorded for it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/tokenizer.h"

namespace attend::test {

std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path);

// What differs between an encoding and a recorded row, member by member and window by window; empty if
// nothing does. Only the members that the row has are compared; recorded windows may be fewer than there are.
std::string encoding_difference(const Encoding& encoding, const nlohmann::json& row);

}  // namespace attend::test
