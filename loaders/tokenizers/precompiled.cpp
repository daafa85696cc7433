#include "loaders/tokenizers/precompiled.h"

#include <fmt/format.h>

#include <cstdint>
#include <vector>

#include "attend/error.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/graphemes.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

Error charsmap_error(const std::string& where, std::string message) {
  return Error("TOK_CHARSMAP", where + ".precompiled_charsmap", std::move(message));
}

// RFC 4648 with padding, nothing else.
std::string decode_base64(std::string_view text, const std::string& where) {
  if (text.size() % 4 != 0) throw charsmap_error(where, "base64 text must come in groups of four characters");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t padding = i + 4 < text.size() ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const char c = text[i + j];
      const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                        : c >= 'a' && c <= 'z' ? c - 'a' + 26
                        : c >= '0' && c <= '9' ? c - '0' + 52
                        : c == '+'             ? 62
                        : c == '/'             ? 63
                        : j >= 4 - padding     ? 0
                                               : -1;
      if (value < 0) throw charsmap_error(where, fmt::format("character {} is not base64", i + j));
      bits = bits << 6 | static_cast<std::uint32_t>(value);
    }
    if ((padding == 1 && (bits & 0xFF) != 0) || (padding == 2 && (bits & 0xFFFF) != 0))
      throw charsmap_error(where, "base64 text ends in bits that belong to no byte");
    for (std::size_t j = 0; j < 3 - padding; ++j)
      out.push_back(static_cast<char>(bits >> (16 - 8 * j) & 0xFF));
  }
  return out;
}

CharsMap read_rules(std::string_view charsmap, const std::string& where) {
  const std::string blob = decode_base64(charsmap, where);
  if (blob.size() < 4)
    throw charsmap_error(where, fmt::format("need 4 bytes for its size, found {}", blob.size()));
  try {
    CharsMap rules(blob, where);
    std::size_t trie_bytes = 0;
    for (std::size_t i = 4; i-- > 0;) trie_bytes = trie_bytes << 8 | static_cast<unsigned char>(blob[i]);
    const std::size_t bad = find_invalid_utf8(std::string_view(blob).substr(4 + trie_bytes));
    if (bad != std::string_view::npos)
      throw charsmap_error(where, fmt::format("the replacements are not UTF-8 at byte {}", bad));
    return rules;
  } catch (const Error& error) {
    if (error.kind() == "TOK_CHARSMAP") throw;
    throw charsmap_error(where, error.message());
  }
}

// Writes the new characters over the old ones: those too many are inserted, those missing are removed by the
// last character written so far.
void replace(std::vector<CharacterChange>& changes, std::string_view from, std::string_view to) {
  const auto old_count = static_cast<int>(count_code_points(from));
  int new_count = 0;
  for_each_code_point(to, [&](char32_t c, std::size_t) {
    changes.push_back({c, 0});
    ++new_count;
  });
  for (int i = 0; i < new_count - old_count; ++i)
    changes[changes.size() - 1 - static_cast<std::size_t>(i)].change = 1;
  if (new_count < old_count && !changes.empty()) changes.back().change += new_count - old_count;
}

}  // namespace

Precompiled::Precompiled(std::string_view charsmap, const std::string& where)
    : rules_(read_rules(charsmap, where)) {}

void Precompiled::normalize(NormalizedString& text) const {
  std::vector<CharacterChange> changes;
  changes.reserve(text.text().size());
  bool changed = false;
  const auto apply = [&](std::string_view part) {
    const auto replacement = rules_.shortest_prefix(part);
    if (!replacement) return false;
    replace(changes, part, *replacement);
    changed = true;
    return true;
  };
  const std::string_view all = text.text();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = grapheme_end(all, at);
    const std::string_view cluster = all.substr(at, end - at);
    at = end;
    if (cluster.size() < 6 && apply(cluster)) continue;
    for_each_code_point(cluster, [&](char32_t c, std::size_t position) {
      if (!apply(cluster.substr(position, utf8_width(c)))) changes.push_back({c, 0});
    });
  }
  if (!changed) return;
  text.transform([&](auto&& emit) {
    for (const CharacterChange& item : changes) emit(item.character, item.change);
  });
}

}  // namespace attend
