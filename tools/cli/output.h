// Standard output: whole lines, each flushed, so that pipes stream.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace attend::cli {

// Thrown when nobody reads standard output any more (EPIPE): the program ends quietly.
struct OutputClosed {};

// Writes `line` and a newline; throws OutputClosed, or Error when the output cannot be written.
void write_line(const std::string& line);
// One JSON value on one line; invalid UTF-8 becomes U+FFFD.
void write_json(const nlohmann::ordered_json& value);

}  // namespace attend::cli
