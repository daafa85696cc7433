// SentencePiece: text to pieces and back (Kudo and Richardson 2018, arXiv:1808.06226), with the unigram
// model (Kudo 2018, arXiv:1804.10959), BPE (Sennrich et al. 2016, arXiv:1508.07909), word and character
// models.
//
// Written here instead of linking libsentencepiece, because ids have to be those of the reference whatever
// the system's version is: releases before 0.2.1 break ties of the unigram model otherwise ("___" becomes
// "__ _" instead of "_ __"), and they end the process on models that are malformed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/piece_index.h"
#include "loaders/tokenizers/sentencepiece_normalizer.h"
#include "loaders/tokenizers/sentencepiece_proto.h"

namespace attend {

// Immutable; all functions may be called from several threads at once.
class SentencePieceModel {
 public:
  struct Piece {
    std::string piece;  // for unknown text: the text itself
    std::int32_t id = 0;
    // Bytes of the input that the piece stands for.
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  // `where` names the file in errors. Throws SPM_MODEL_INVALID (see parse_sentencepiece_proto).
  SentencePieceModel(SentencePieceProto proto, const std::string& where);
  // Reads the file; besides the above FILE_NOT_FOUND and SPM_MODEL_SIZE (above 64 MiB).
  static SentencePieceModel load(const std::filesystem::path& path);

  // `text` is valid UTF-8 of less than 2 GiB.
  std::vector<Piece> encode(std::string_view text) const;
  std::string decode(std::span<const std::string_view> pieces) const;

  std::int32_t size() const { return static_cast<std::int32_t>(proto_.pieces.size()); }
  const SentencePieceProto& proto() const { return proto_; }
  // The unknown piece's id when there is no such piece.
  std::int32_t piece_to_id(std::string_view piece) const;
  const std::string& id_to_piece(std::int32_t id) const {
    return proto_.pieces.at(static_cast<std::size_t>(id)).piece;
  }

 private:
  struct Segment {
    std::uint32_t begin = 0, end = 0;  // bytes of the normalized text
    std::int32_t id = 0;
  };
  std::vector<Segment> segment(std::string_view normalized) const;
  std::vector<Segment> segment_unigram(std::string_view normalized) const;
  std::vector<Segment> segment_bpe(std::string_view normalized) const;
  std::vector<Segment> segment_words(std::string_view normalized) const;
  std::vector<Segment> segment_characters(std::string_view normalized) const;
  // Bytes of the character, or of the user-defined piece, at the head of `text`.
  std::size_t unit_size(std::string_view text, bool& user_defined) const;
  SentencePieceProto::PieceType type(std::int32_t id) const {
    return proto_.pieces[static_cast<std::size_t>(id)].type;
  }
  float score(std::int32_t id) const { return proto_.pieces[static_cast<std::size_t>(id)].score; }

  SentencePieceProto proto_;
  PieceIndex matched_;   // normal, user-defined and unused pieces
  PieceIndex reserved_;  // control, unknown and byte pieces, which may be spelled like the others
  std::vector<std::int32_t> byte_ids_;
  ByteTrie trie_;  // of the matched pieces; unigram models only
  float min_score_ = 0.0F;
  float max_score_ = 0.0F;
  SentencePieceNormalizer normalizer_;
  SentencePieceNormalizer denormalizer_;
};

}  // namespace attend
