// How errors leave the program: a message on standard error, an exit code, or a JSON object in a result's
// place.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "attend/error.h"

namespace attend::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitData = 65;
inline constexpr int kExitInternal = 70;
inline constexpr int kExitInterrupted = 130;

int exit_code(const Error& error);
// "attend: error: WHERE: MESSAGE [KIND]", a line for each issue.
void print_error(const Error& error);
// The same for the input of this index (from 0), counted from 1 in the message.
void print_input_error(std::size_t index, const Error& error);
// {"error": {"kind", "where", "message"}}, with "issues" as well when there are several.
nlohmann::ordered_json error_json(const Error& error);

}  // namespace attend::cli
