#include "loaders/chat/text_operations.h"

#include <algorithm>

#include "loaders/chat/value.h"
#include "loaders/tokenizers/python_text.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

bool is_one_of(std::string_view characters, std::string_view character) {
  for (std::size_t at = 0; at < characters.size(); at += utf8_length(characters[at])) {
    if (characters.substr(at, utf8_length(characters[at])) == character) return true;
  }
  return false;
}

// Size of the line boundary at the head of `text`; 0 when there is none.
std::size_t line_boundary(std::string_view text) {
  const CodePoint c = decode_utf8(text, 0);
  if (c.value == '\r') return text.size() > 1 && text[1] == '\n' ? 2 : 1;
  const bool boundary = (c.value >= '\n' && c.value <= '\f') || (c.value >= 0x1C && c.value <= 0x1E) ||
                        c.value == 0x85 || c.value == 0x2028 || c.value == 0x2029;
  return boundary ? c.length : 0;
}

}  // namespace

std::string_view strip(std::string_view text, std::optional<std::string_view> characters, bool left,
                       bool right) {
  if (!characters) {
    if (left) text = python_lstrip(text);
    return right ? python_rstrip(text) : text;
  }
  while (left && !text.empty()) {
    const std::size_t size = utf8_length(text[0]);
    if (!is_one_of(*characters, text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    const std::size_t size = decode_utf8_before(text, text.size()).length;
    if (!is_one_of(*characters, text.substr(text.size() - size))) break;
    text.remove_suffix(size);
  }
  return text;
}

std::vector<std::string_view> split(std::string_view text, std::optional<std::string_view> separator,
                                    std::int64_t limit) {
  std::vector<std::string_view> parts;
  const auto open = [&] { return limit < 0 || static_cast<std::int64_t>(parts.size()) < limit; };
  if (separator) {
    if (separator->empty()) throw RuntimeFailure{"empty separator"};
    for (std::size_t at = 0; open() && (at = text.find(*separator)) != std::string_view::npos;) {
      parts.push_back(text.substr(0, at));
      text.remove_prefix(at + separator->size());
    }
    parts.push_back(text);
    return parts;
  }
  for (text = python_lstrip(text); !text.empty(); text = python_lstrip(text)) {
    if (!open()) {
      parts.push_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      const CodePoint c = decode_utf8(text, end);
      if (is_python_space(c.value)) break;
      end += c.length;
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> split_right(std::string_view text, std::optional<std::string_view> separator,
                                          std::int64_t limit) {
  if (limit < 0) return split(text, separator, -1);
  std::vector<std::string_view> parts;
  const auto open = [&] { return static_cast<std::int64_t>(parts.size()) < limit; };
  if (separator) {
    if (separator->empty()) throw RuntimeFailure{"empty separator"};
    for (std::size_t at = 0; open() && (at = text.rfind(*separator)) != std::string_view::npos;) {
      parts.push_back(text.substr(at + separator->size()));
      text = text.substr(0, at);
    }
    parts.push_back(text);
  } else {
    for (text = python_rstrip(text); !text.empty(); text = python_rstrip(text)) {
      if (!open()) {
        parts.push_back(text);
        break;
      }
      std::size_t begin = text.size();
      while (begin > 0) {
        const CodePoint c = decode_utf8_before(text, begin);
        if (is_python_space(c.value)) break;
        begin -= c.length;
      }
      parts.push_back(text.substr(begin));
      text = text.substr(0, begin);
    }
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t boundary = line_boundary(text.substr(at));
    if (boundary == 0) {
      at += utf8_length(text[at]);
      continue;
    }
    lines.push_back(text.substr(begin, at - begin + (keep_ends ? boundary : 0)));
    at += boundary;
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t limit,
                    Budget& budget) {
  std::string out;
  const auto append = [&](std::string_view part) {
    out += part;
    if (out.size() > Budget::kMaxTextBytes) budget.text(out.size());
  };
  budget.text(text.size());
  std::size_t at = 0;
  while (limit != 0) {
    if (from.empty()) {
      // Between all characters, and at both ends.
      append(to);
      if (at == text.size()) return out;
      append(text.substr(at, utf8_length(text[at])));
      at += utf8_length(text[at]);
    } else {
      const std::size_t found = text.find(from, at);
      if (found == std::string_view::npos) break;
      append(text.substr(at, found - at));
      append(to);
      at = found + from.size();
    }
    if (limit > 0) --limit;
  }
  append(text.substr(at));
  budget.text(out.size());
  return out;
}

std::string pad(std::string_view text, std::int64_t width, std::string_view fill, int left_share,
                Budget& budget) {
  const std::int64_t missing = width - code_points(text);
  if (missing <= 0) return std::string(text);
  if (static_cast<std::uint64_t>(missing) > Budget::kMaxTextBytes) budget.text(Budget::kMaxTextBytes + 1);
  budget.text(text.size() + static_cast<std::size_t>(missing) * fill.size());
  // center() puts the odd one on the left when the width is odd.
  const std::int64_t left = left_share < 0 ? missing / 2 + (missing & width & 1) : missing * left_share;
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (std::int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

std::int64_t code_points(std::string_view text) {
  return static_cast<std::int64_t>(count_code_points(text));
}

std::size_t byte_offset(std::string_view text, std::int64_t index) {
  if (index < 0) index = std::max<std::int64_t>(0, index + code_points(text));
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += utf8_length(text[at]);
  return at;
}

}  // namespace attend::jinja
