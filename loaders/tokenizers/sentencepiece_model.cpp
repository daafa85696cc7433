#include "loaders/tokenizers/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

using PieceType = SentencePieceProto::PieceType;
using ModelType = SentencePieceProto::ModelType;

constexpr std::uint64_t kMaxModelBytes = 64ULL << 20U;
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";           // U+2581
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

ByteTrie trie_of(const SentencePieceProto& proto, bool user_defined_only) {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  for (std::size_t id = 0; id < proto.pieces.size(); ++id) {
    const auto& piece = proto.pieces[id];
    if (is_reserved(piece.type) || (user_defined_only && piece.type != PieceType::user_defined)) continue;
    keys.emplace_back(piece.piece, static_cast<std::int32_t>(id));
  }
  return ByteTrie(std::move(keys));
}

// Bytes that byte pieces stand for, as text: each byte that is not part of valid UTF-8 becomes U+FFFD.
void append_bytes(std::string_view bytes, std::string& text) {
  while (!bytes.empty()) {
    const std::size_t valid = std::min(find_invalid_utf8(bytes), bytes.size());
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) return;
    text += kReplacementCharacter;
    bytes.remove_prefix(1);
  }
}

}  // namespace

SentencePieceModel::SentencePieceModel(SentencePieceProto proto, const std::string& where)
    : proto_(std::move(proto)),
      normalizer_(proto_.normalizer, proto_.treat_whitespace_as_suffix, trie_of(proto_, true), where),
      denormalizer_(proto_.denormalizer, false, ByteTrie(), where) {
  proto_.normalizer.precompiled_charsmap = {};  // the normalizer has it in a form of its own
  const auto reserved = static_cast<std::size_t>(
      std::ranges::count_if(proto_.pieces, [](const auto& piece) { return is_reserved(piece.type); }));
  matched_ = PieceIndex(proto_.pieces.size() - reserved);
  reserved_ = PieceIndex(reserved);
  byte_ids_.assign(256, 0);
  min_score_ = std::numeric_limits<float>::max();
  max_score_ = std::numeric_limits<float>::lowest();
  for (std::size_t id = 0; id < proto_.pieces.size(); ++id) {
    const auto& piece = proto_.pieces[id];
    const auto number = static_cast<std::int32_t>(id);
    (is_reserved(piece.type) ? reserved_ : matched_).insert(proto_.pieces, number);
    if (piece.type == PieceType::byte)
      byte_ids_[static_cast<std::size_t>(byte_of_piece(piece.piece))] = number;
    if (piece.type == PieceType::normal) {
      min_score_ = std::min(min_score_, piece.score);
      max_score_ = std::max(max_score_, piece.score);
    }
  }
  if (proto_.model_type == ModelType::unigram) trie_ = trie_of(proto_, false);
}

SentencePieceModel SentencePieceModel::load(const std::filesystem::path& path) {
  const File file(path);
  if (file.size_bytes() > kMaxModelBytes) {
    throw Error("SPM_MODEL_SIZE", file.name(),
                fmt::format("a SentencePiece model of at most {} bytes is expected, the file has {}",
                            kMaxModelBytes, file.size_bytes()));
  }
  return {parse_sentencepiece_proto(file.read_all(), file.name()), file.name()};
}

std::int32_t SentencePieceModel::piece_to_id(std::string_view piece) const {
  if (const std::int32_t id = reserved_.find(proto_.pieces, piece); id >= 0) return id;
  const std::int32_t id = matched_.find(proto_.pieces, piece);
  return id >= 0 ? id : proto_.unk_id;
}

std::size_t SentencePieceModel::unit_size(std::string_view text, bool& user_defined) const {
  const std::size_t size = normalizer_.user_defined().longest_prefix(text);
  user_defined = size > 0;
  return user_defined ? size : utf8_character_size(text);
}

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment(std::string_view normalized) const {
  if (normalized.empty()) return {};
  switch (proto_.model_type) {
    case ModelType::unigram: return segment_unigram(normalized);
    case ModelType::bpe: return segment_bpe(normalized);
    case ModelType::word: return segment_words(normalized);
    case ModelType::character: return segment_characters(normalized);
  }
  throw internal_error("sentencepiece", "unknown model type");
}

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_words(
    std::string_view normalized) const {
  std::vector<Segment> words;
  std::size_t begin = 0;
  for (std::size_t next = 0; next < normalized.size();) {
    next = std::min(normalized.find(kSpaceSymbol, begin + 1), normalized.size());
    words.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(next),
                     piece_to_id(normalized.substr(begin, next - begin))});
    begin = next;
  }
  return words;
}

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_characters(
    std::string_view normalized) const {
  std::vector<Segment> characters;
  bool user_defined = false;
  for (std::size_t begin = 0; begin < normalized.size();) {
    const std::size_t size = unit_size(normalized.substr(begin), user_defined);
    characters.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(begin + size),
                          piece_to_id(normalized.substr(begin, size))});
    begin += size;
  }
  return characters;
}

std::vector<SentencePieceModel::Piece> SentencePieceModel::encode(std::string_view text) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("TEXT_TOO_LONG", "text",
                fmt::format("{} bytes, at most 2^31 - 1 are supported", text.size()));
  }
  const auto [normalized, source] = normalizer_.normalize(text);
  std::vector<Piece> pieces;
  bool after_unknown = false;
  for (const Segment& part : segment(normalized)) {
    const std::string_view surface = std::string_view(normalized).substr(part.begin, part.end - part.begin);
    const bool unknown = part.id == proto_.unk_id;
    const std::uint32_t begin = source[part.begin];
    const std::uint32_t end = source[part.end];
    if (unknown && proto_.byte_fallback) {
      // The last byte holds the range of the whole character.
      for (const char byte : surface) {
        const std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
        pieces.push_back({id_to_piece(id), id, begin, begin});
      }
      pieces.back().end = end;
    } else if (unknown && after_unknown) {
      pieces.back().piece += surface;
      pieces.back().end = end;
    } else {
      pieces.push_back({std::string(surface), part.id, begin, end});
    }
    after_unknown = unknown;
  }
  return pieces;
}

std::string SentencePieceModel::decode(std::span<const std::string_view> pieces) const {
  std::string text;
  std::string bytes;
  const bool drop_leading_space =
      proto_.normalizer.add_dummy_prefix || proto_.normalizer.remove_extra_whitespaces;
  bool at_start = true;
  bool dropped_space = false;
  for (const std::string_view piece : pieces) {
    const std::int32_t id = piece_to_id(piece);
    if (type(id) == PieceType::byte) {
      bytes += static_cast<char>(byte_of_piece(piece));
      continue;
    }
    append_bytes(std::exchange(bytes, {}), text);
    if (dropped_space || !text.empty()) at_start = false;
    dropped_space = false;
    if (type(id) == PieceType::control) continue;
    if (id == proto_.unk_id) {
      text += piece == id_to_piece(id) ? std::string_view(proto_.unk_surface) : piece;
      continue;
    }
    std::string_view rest = piece;
    if (at_start && drop_leading_space && rest.starts_with(kSpaceSymbol)) {
      rest.remove_prefix(kSpaceSymbol.size());
      // Where extra white space is removed, the next piece may lose its space as well.
      dropped_space = !proto_.normalizer.remove_extra_whitespaces;
    }
    for (std::size_t space = 0; (space = rest.find(kSpaceSymbol)) != std::string_view::npos;) {
      text += rest.substr(0, space);
      text += ' ';
      rest.remove_prefix(space + kSpaceSymbol.size());
    }
    text += rest;
  }
  append_bytes(bytes, text);
  if (!proto_.denormalizer.precompiled_charsmap.empty()) text = denormalizer_.normalize(text).text;
  return text;
}

}  // namespace attend
