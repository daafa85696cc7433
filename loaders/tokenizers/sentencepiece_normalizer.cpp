#include "loaders/tokenizers/sentencepiece_normalizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::size_t kMaxReplacementBytes = 1024;         // NFKC's longest has 33
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

// Fields of a unit of the double array.
bool has_leaf(std::uint32_t unit) {
  return (unit >> 8U & 1U) != 0;
}
std::uint32_t label(std::uint32_t unit) {
  return unit & (1U << 31U | 0xFFU);
}
std::uint32_t value(std::uint32_t unit) {
  return unit & ~(1U << 31U);
}
std::uint32_t offset(std::uint32_t unit) {
  return unit >> 10U << ((unit & (1U << 9U)) >> 6U);
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = 4; i-- > 0;) number = number << 8U | static_cast<unsigned char>(bytes[i]);
  return number;
}

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error("SPM_MODEL_INVALID", where, "the model's precompiled_charsmap is broken: " + what);
}

}  // namespace

CharsMap::CharsMap(std::string_view blob, const std::string& where) {
  if (blob.empty()) return;
  if (blob.size() < 4) fail(where, fmt::format("need 4 bytes for its size, found {}", blob.size()));
  const std::uint32_t trie_bytes = read_u32(blob);
  blob.remove_prefix(4);
  if (trie_bytes > blob.size() || trie_bytes % 4 != 0 || trie_bytes == 0) {
    fail(where, fmt::format("a trie of {} bytes is declared, {} bytes follow", trie_bytes, blob.size()));
  }
  units_.reserve(trie_bytes / 4);
  for (std::size_t i = 0; i < trie_bytes; i += 4) units_.push_back(read_u32(blob.substr(i, 4)));
  replacements_ = blob.substr(trie_bytes);
  check_values(where);
}

void CharsMap::check_values(const std::string& where) const {
  // Replacements end at a NUL; everything before the last one is safe to read.
  const std::size_t last_nul = replacements_.find_last_of('\0');
  // Positions by the state that leads to them, as lists: trying every byte in every state took a third of the
  // time to load a tokenizer.
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  const auto units = static_cast<std::uint32_t>(units_.size());
  std::vector<std::uint32_t> first(units_.size(), kNone), sibling(units_.size(), kNone);
  for (std::uint32_t position = units; position-- > 0;) {
    const std::uint32_t state = position ^ label(units_[position]);
    if (state < units) sibling[position] = std::exchange(first[state], position);
  }
  std::vector<bool> seen(units_.size(), false);
  std::vector<std::uint32_t> open{offset(units_[0])};
  if (open[0] >= units_.size())
    fail(where, fmt::format("unit 0 points to {}, the trie has {} units", open[0], units_.size()));
  while (!open.empty()) {
    const std::uint32_t state = open.back();
    open.pop_back();
    for (std::uint32_t position = first[state]; position != kNone; position = sibling[position]) {
      const std::uint32_t next = position ^ offset(units_[position]);
      if (next >= units_.size()) {
        fail(where,
             fmt::format("unit {} points to {}, the trie has {} units", position, next, units_.size()));
      }
      if (has_leaf(units_[position]) && (last_nul == std::string::npos || value(units_[next]) > last_nul)) {
        fail(where, fmt::format("a replacement at {} is declared, the replacements have {} bytes",
                                value(units_[next]), replacements_.size()));
      }
      if (has_leaf(units_[position]) &&
          (static_cast<unsigned char>(replacements_[value(units_[next])]) & 0xC0U) == 0x80U) {
        fail(where, fmt::format("the replacement at {} begins inside a character", value(units_[next])));
      }
      if (has_leaf(units_[position]) &&
          replacements_.find('\0', value(units_[next])) - value(units_[next]) > kMaxReplacementBytes) {
        fail(where, fmt::format("the replacement at {} is longer than {} bytes", value(units_[next]),
                                kMaxReplacementBytes));
      }
      if (!seen[next]) {
        seen[next] = true;
        open.push_back(next);
      }
    }
  }
}

std::pair<std::size_t, std::string_view> CharsMap::longest_prefix(std::string_view text) const {
  std::pair<std::size_t, std::string_view> longest{0, {}};
  if (units_.empty()) return longest;
  std::uint32_t state = offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint32_t byte = static_cast<unsigned char>(text[i]);
    const std::uint32_t position = state ^ byte;
    if (position >= units_.size() || label(units_[position]) != byte) break;
    state = position ^ offset(units_[position]);
    if (has_leaf(units_[position])) {
      longest = {i + 1, std::string_view(replacements_.data() + value(units_[state]))};
    }
  }
  return longest;
}

std::optional<std::string_view> CharsMap::shortest_prefix(std::string_view text) const {
  if (units_.empty()) return std::nullopt;
  std::uint32_t state = offset(units_[0]);
  for (const char c : text) {
    const std::uint32_t byte = static_cast<unsigned char>(c);
    const std::uint32_t position = state ^ byte;
    if (byte == 0 || position >= units_.size() || label(units_[position]) != byte) return std::nullopt;
    state = position ^ offset(units_[position]);
    if (has_leaf(units_[position])) return std::string_view(replacements_.data() + value(units_[state]));
  }
  return std::nullopt;
}

std::size_t utf8_character_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(size, text.size());
}

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceProto::NormalizerSpec& spec,
                                                 bool whitespace_as_suffix, ByteTrie user_defined,
                                                 const std::string& where)
    : charsmap_(spec.precompiled_charsmap, where),
      user_defined_(std::move(user_defined)),
      add_dummy_prefix_(spec.add_dummy_prefix),
      remove_extra_whitespaces_(spec.remove_extra_whitespaces),
      escape_whitespaces_(spec.escape_whitespaces),
      whitespace_as_suffix_(whitespace_as_suffix) {}

std::pair<std::string_view, std::size_t> SentencePieceNormalizer::normalize_prefix(
    std::string_view text) const {
  if (const std::size_t size = user_defined_.longest_prefix(text); size > 0)
    return {text.substr(0, size), size};
  if (const auto [size, replacement] = charsmap_.longest_prefix(text); size > 0) return {replacement, size};
  const std::size_t size = utf8_character_size(text);
  return {text.substr(0, size), size};
}

SentencePieceNormalizer::Result SentencePieceNormalizer::normalize(std::string_view text) const {
  Result result;
  std::size_t consumed = 0;
  const std::string_view space = escape_whitespaces_ ? kSpaceSymbol : std::string_view(" ");
  const auto append = [&](std::string_view bytes) {
    result.text += bytes;
    result.source.insert(result.source.end(), bytes.size(), static_cast<std::uint32_t>(consumed));
  };

  while (remove_extra_whitespaces_ && consumed < text.size()) {
    const auto [normal, size] = normalize_prefix(text.substr(consumed));
    if (normal != " ") break;
    consumed += size;
  }
  if (consumed == text.size()) {
    result.source.push_back(0);
    return result;
  }
  result.text.reserve(text.size() + text.size() / 2);
  result.source.reserve(text.size() + text.size() / 2);
  if (add_dummy_prefix_ && !whitespace_as_suffix_) append(space);

  bool after_space = remove_extra_whitespaces_;
  while (consumed < text.size()) {
    auto [normal, size] = normalize_prefix(text.substr(consumed));
    while (after_space && normal.starts_with(' ')) normal.remove_prefix(1);
    if (!normal.empty()) {
      for (std::size_t i = 0; i < normal.size(); ++i) append(normal[i] == ' ' ? space : normal.substr(i, 1));
      after_space = remove_extra_whitespaces_ && normal.ends_with(' ');
    }
    consumed += size;
  }
  while (remove_extra_whitespaces_ && result.text.ends_with(space)) {
    consumed = result.source[result.text.size() - space.size()];
    result.text.resize(result.text.size() - space.size());
    result.source.resize(result.text.size());
  }
  if (add_dummy_prefix_ && whitespace_as_suffix_) append(space);
  result.source.push_back(static_cast<std::uint32_t>(consumed));
  return result;
}

}  // namespace attend
