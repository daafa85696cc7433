#include "loaders/tokenizers/encoding_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::size_t kMaxWindows = 100'000;

// Calls f with the same member of all encodings, for each member that has one entry a token.
template <typename F, typename... Encodings>
void for_each_member(F&& f, Encodings&... encodings) {
  f(encodings.ids...);
  f(encodings.tokens...);
  f(encodings.offsets...);
  f(encodings.type_ids...);
  f(encodings.sequence_ids...);
  f(encodings.word_ids...);
  f(encodings.special_tokens_mask...);
  f(encodings.attention_mask...);
}

Encoding slice(const Encoding& encoding, std::size_t begin, std::size_t end) {
  Encoding out;
  for_each_member(
      [&](auto& to, const auto& from) {
        if (from.empty()) return;
        to.assign(from.begin() + static_cast<std::ptrdiff_t>(begin),
                  from.begin() + static_cast<std::ptrdiff_t>(end));
      },
      out, encoding);
  return out;
}

// Lengths of two sequences that together have `max_length` tokens: the longer one is cut first.
std::pair<std::size_t, std::size_t> share_length(std::size_t first, std::size_t second,
                                                 std::size_t max_length) {
  const bool swapped = first > second;
  std::size_t shorter = std::min(first, second);
  std::size_t longer = shorter > max_length ? shorter : std::max(shorter, max_length - shorter);
  if (shorter + longer > max_length) {
    shorter = max_length / 2;
    longer = shorter + max_length % 2;
  }
  return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

template <typename T>
void pad_member(std::vector<T>& member, std::size_t count, const T& value, Side side) {
  member.insert(side == Side::right ? member.end() : member.begin(), count, value);
}

void pad_encoding(Encoding& encoding, std::size_t length, const Padding& padding) {
  for (Encoding& window : encoding.overflowing) pad_encoding(window, length, padding);
  if (encoding.ids.size() >= length) return;
  const std::size_t count = length - encoding.ids.size();
  const bool has_text = encoding.tokens.size() == encoding.ids.size();
  const bool has_words = encoding.word_ids.size() == encoding.ids.size();
  pad_member(encoding.ids, count, padding.id, padding.side);
  pad_member(encoding.type_ids, count, padding.type_id, padding.side);
  pad_member(encoding.sequence_ids, count, -1, padding.side);
  pad_member(encoding.special_tokens_mask, count, 1, padding.side);
  pad_member(encoding.attention_mask, count, 0, padding.side);
  if (!has_text) return;
  pad_member(encoding.tokens, count, padding.token, padding.side);
  pad_member(encoding.offsets, count, {0, 0}, padding.side);
  if (has_words) pad_member(encoding.word_ids, count, -1, padding.side);
}

}  // namespace

void truncate_encoding(Encoding& encoding, std::size_t max_length, const Truncation& truncation) {
  const std::size_t size = encoding.ids.size();
  const auto stride = static_cast<std::size_t>(truncation.stride);
  if (max_length >= size) return;
  if (max_length == 0) {
    Encoding all = std::exchange(encoding, Encoding());
    encoding.overflowing.push_back(std::move(all));
    return;
  }
  if (stride >= max_length)
    throw usage_error("TRUNCATION_STRIDE", "truncation.stride",
                      fmt::format("expected less than the {} tokens that are left for the text, found {}",
                                  max_length, stride));
  if (size / (max_length - stride) > kMaxWindows)
    throw usage_error(
        "TRUNCATION_WINDOWS", "truncation",
        fmt::format("{} tokens give more than {} windows of {} tokens", size, kMaxWindows, max_length));
  const bool left = truncation.side == Side::left;
  std::vector<Encoding> windows;
  for (std::size_t skipped = 0;; skipped += max_length - stride) {
    const std::size_t begin = left ? size - std::min(size, skipped + max_length) : skipped;
    const std::size_t end = left ? size - skipped : std::min(skipped + max_length, size);
    windows.push_back(slice(encoding, begin, end));
    if (left ? begin == 0 : end == size) break;
  }
  Encoding first = std::move(windows.front());
  first.overflowing.assign(std::make_move_iterator(windows.begin() + 1),
                           std::make_move_iterator(windows.end()));
  encoding = std::move(first);
}

void truncate_sequences(std::vector<Encoding>& sequences, const Truncation& truncation, std::size_t added) {
  const auto limit = static_cast<std::size_t>(truncation.max_length);
  if (limit < added || (limit > added && limit - added < static_cast<std::size_t>(truncation.stride)))
    throw usage_error("TRUNCATION_LENGTH", "truncation.max_length",
                      fmt::format("{} tokens leave no room: {} are special, and windows share {}", limit,
                                  added, truncation.stride));
  const std::size_t max_length = limit - added;
  if (max_length == 0) {
    for (Encoding& sequence : sequences) truncate_encoding(sequence, 0, truncation);
    return;
  }
  std::size_t total = 0;
  for (const Encoding& sequence : sequences) total += sequence.ids.size();
  if (total <= max_length) return;
  if (truncation.strategy == Truncation::Strategy::longest_first) {
    if (sequences.size() == 1) return truncate_encoding(sequences[0], max_length, truncation);
    const auto [first, second] = share_length(sequences[0].ids.size(), sequences[1].ids.size(), max_length);
    truncate_encoding(sequences[0], first, truncation);
    truncate_encoding(sequences[1], second, truncation);
    return;
  }
  const std::size_t which = truncation.strategy == Truncation::Strategy::only_first ? 0 : 1;
  if (which >= sequences.size())
    throw usage_error("TRUNCATION_PAIR", "truncation.strategy",
                      "only_second needs a second text, found one text");
  const std::size_t size = sequences[which].ids.size();
  if (size <= total - max_length)
    throw usage_error("TRUNCATION_LENGTH", "truncation.max_length",
                      fmt::format("{} tokens must go, but the text to cut has {}", total - max_length, size));
  truncate_encoding(sequences[which], size - (total - max_length), truncation);
}

void append_encoding(Encoding& encoding, const Encoding& next) {
  const auto appended = [](const Encoding& head, const Encoding& tail) {
    Encoding joined = head;
    append_encoding(joined, tail);
    return joined;
  };
  if ((encoding.overflowing.size() + 1) * (next.overflowing.size() + 1) > kMaxWindows)
    throw usage_error("TRUNCATION_WINDOWS", "truncation",
                      fmt::format("{} windows of the first text and {} of the second",
                                  encoding.overflowing.size() + 1, next.overflowing.size() + 1));
  std::vector<Encoding> windows;
  for (const Encoding& window : encoding.overflowing) {
    windows.push_back(appended(window, next));
    for (const Encoding& other : next.overflowing) windows.push_back(appended(window, other));
  }
  for (const Encoding& other : next.overflowing) windows.push_back(appended(encoding, other));
  for_each_member([](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); }, encoding,
                  next);
  encoding.overflowing = std::move(windows);
}

Encoding special_encoding(std::int32_t id, const std::string& token, std::int32_t type_id, bool ids_only) {
  Encoding encoding;
  encoding.ids = {id};
  encoding.type_ids = {type_id};
  encoding.sequence_ids = {-1};
  encoding.special_tokens_mask = {1};
  encoding.attention_mask = {1};
  if (ids_only) return encoding;
  encoding.tokens = {token};
  encoding.offsets = {{0, 0}};
  encoding.word_ids = {-1};
  return encoding;
}

void pad_encodings(std::span<Encoding> encodings, const Padding& padding) {
  std::size_t length = static_cast<std::size_t>(padding.length.value_or(0));
  if (!padding.length)
    for (const Encoding& encoding : encodings) length = std::max(length, encoding.ids.size());
  const auto multiple = static_cast<std::size_t>(padding.multiple_of);
  if (multiple > 0) length = (length + multiple - 1) / multiple * multiple;
  for (Encoding& encoding : encodings) pad_encoding(encoding, length, padding);
}

}  // namespace attend
