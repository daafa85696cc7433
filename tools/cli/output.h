// Standard output: whole lines, each flushed, so that pipes stream.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace attend::cli {

// Thrown when nobody reads standard output any more (EPIPE): the program ends quietly.
struct OutputClosed {};

// Writes at once; throws OutputClosed, or Error when the output cannot be written.
void write_text(std::string_view text);
// The same with a newline behind it.
void write_line(const std::string& line);
// Appends `text` as a JSON string, as write_json would write it; for lines too long to be made as a value
// first.
void append_json(std::string& line, std::string_view text);
// One JSON value on one line; invalid UTF-8 becomes U+FFFD.
void write_json(const nlohmann::ordered_json& value);

// `text`, of which parts come from files, for a terminal: control characters as \xNN, newlines and tabs kept.
std::string printable(std::string_view text);

}  // namespace attend::cli
