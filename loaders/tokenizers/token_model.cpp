#include "loaders/tokenizers/token_model.h"

#include <fmt/format.h>

#include "loaders/files/message_text.h"
#include "loaders/tokenizers/bpe.h"
#include "loaders/tokenizers/unigram.h"
#include "loaders/tokenizers/word_level.h"
#include "loaders/tokenizers/word_piece.h"

namespace attend {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Vocabulary read_vocabulary(const JsonValue& object, const std::string& where) {
  Vocabulary vocabulary;
  std::size_t bytes = 0;
  for (const JsonMember& member : object.members()) bytes += member.key.size();
  vocabulary.reserve(object.size(), bytes);
  for (const JsonMember& member : object.members()) {
    const auto id = member.value.to_uint64();
    if (!id || *id > kMaxTokenId)
      throw Error("TOK_ID_RANGE", fmt::format("{}[{}]", where, quote_text(member.key)),
                  fmt::format("expected an id from 0 to {}, found {}", kMaxTokenId, member.value.describe()));
    vocabulary.add(member.key, static_cast<std::int32_t>(*id), where);
  }
  return vocabulary;
}

std::vector<std::int32_t> read_byte_tokens(const Vocabulary& vocabulary, const std::string& where) {
  std::vector<std::int32_t> ids(256, -1);
  vocabulary.for_each([&](std::string_view token, std::int32_t id) {
    if (!token.starts_with("<0x") || !token.ends_with('>') || token.size() > 8) return;
    const int high = token.size() == 6 ? hex_digit(token[3]) : -1,
              low = token.size() == 6 ? hex_digit(token[4]) : -1;
    if (high < 0 || low < 0)
      throw Error("TOK_BYTE_TOKEN", where,
                  fmt::format("the token {} of id {} is none of <0x00> to <0xFF>", quote_text(token), id));
    // Lower-case forms are decoded as bytes, but text is never encoded with them.
    if (token[3] < 'a' && token[4] < 'a') ids[static_cast<std::size_t>(high * 16 + low)] = id;
  });
  return ids;
}

std::unique_ptr<TokenModel> make_token_model(const ComponentReader& component) {
  std::string_view type = component.type();
  if (type.empty()) {
    // The order in which the reference tries them.
    if (component.has("merges")) {
      type = "BPE";
    } else if (component.has("continuing_subword_prefix")) {
      type = "WordPiece";
    } else if (component.has("unk_token")) {
      type = "WordLevel";
    } else if (component.has("unk_id") || component.has("vocab")) {
      type = "Unigram";
    }
  }
  if (type == "BPE") return std::make_unique<Bpe>(component);
  if (type == "WordPiece") return std::make_unique<WordPiece>(component);
  if (type == "WordLevel") return std::make_unique<WordLevel>(component);
  if (type == "Unigram") return std::make_unique<Unigram>(component);
  throw component.unknown_type("model");
}

}  // namespace attend
