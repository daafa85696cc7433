// The little of Unicode that tasks need. Offsets of the tokenizers count code points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attend::tasks {

// The code points of a UTF-8 text by their number. The text must outlive it.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text);
  std::int32_t size() const { return static_cast<std::int32_t>(starts_.size()) - 1; }
  // Code points [start, end), cut to what there is, as slices in Python; negative numbers count as 0.
  std::string_view slice(std::int32_t start, std::int32_t end) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;  // byte offset of each code point, and the size of the text
};

// Lower case by Unicode's simple mapping.
std::string to_lower(std::string_view text);

// Without white space at both ends, as str.strip() in Python.
std::string_view strip(std::string_view text);

}  // namespace attend::tasks
