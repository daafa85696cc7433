// Escapes of Python's string literals.
#pragma once

#include <string>
#include <string_view>

namespace attend::jinja {

// Decodes what stands between the quotes. False with a message for escapes that are cut short or name no
// character.
bool decode_string_literal(std::string_view raw, std::string& value, std::string& error);

}  // namespace attend::jinja
