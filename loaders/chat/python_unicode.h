// What Python's str methods ask about characters, and its case mappings.
#pragma once

#include <string>
#include <string_view>

namespace attend::jinja {

bool is_printable(char32_t c);
bool is_alpha(char32_t c);              // str.isalpha: categories L*
bool is_decimal(char32_t c);            // str.isdecimal: category Nd
bool is_digit(char32_t c);              // str.isdigit: also superscripts and the like
bool is_numeric_character(char32_t c);  // str.isnumeric: also fractions, Roman and CJK numerals
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
bool is_cased(char32_t c);
// str.isalnum, and `_`: what \w of Python's re takes.
bool is_word(char32_t c);

// Python's str.upper(), lower(), casefold(), title(), capitalize(), swapcase(); one character may become
// several. Input is valid UTF-8.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_casefold(std::string_view text);
std::string to_title(std::string_view text);
std::string to_capitalized(std::string_view text);
std::string to_swapped_case(std::string_view text);

}  // namespace attend::jinja
