// Operations of Python's str that methods and filters share. Texts are valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/chat/budget.h"

namespace attend::jinja {

// strip(), lstrip(), rstrip(): white space, or any of the characters in `characters`.
std::string_view strip(std::string_view text, std::optional<std::string_view> characters, bool left,
                       bool right);

// split() and rsplit(): at white space without a separator. A negative limit is none. RuntimeFailure "empty
// separator".
std::vector<std::string_view> split(std::string_view text, std::optional<std::string_view> separator,
                                    std::int64_t limit);
std::vector<std::string_view> split_right(std::string_view text, std::optional<std::string_view> separator,
                                          std::int64_t limit);
// splitlines(): at every line boundary that Python knows.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// replace(): at most `limit` times, a negative limit is none.
std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t limit,
                    Budget& budget);

// ljust(), rjust(), center() with one fill character. `left_share` of the padding goes to the left: 0, 1, or
// half as center() does it (-1).
std::string pad(std::string_view text, std::int64_t width, std::string_view fill, int left_share,
                Budget& budget);

// Offset in bytes of a code point index, clipped to the text; negative ones count from the end.
std::size_t byte_offset(std::string_view text, std::int64_t index);
std::int64_t code_points(std::string_view text);

}  // namespace attend::jinja
