// Python's str methods where Hugging Face's code and chat templates rely on their exact rules.
#pragma once

#include <string_view>

namespace attend {

// str.isspace() of one code point: what split() and strip() without arguments take for white space.
bool is_python_space(char32_t code_point);

// str.lstrip(), str.rstrip(), str.strip() without arguments. `text` is valid UTF-8.
std::string_view python_lstrip(std::string_view text);
std::string_view python_rstrip(std::string_view text);
std::string_view python_strip(std::string_view text);

}  // namespace attend
