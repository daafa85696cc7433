// The part of sentencepiece_model.proto (ModelProto) that encoding and decoding need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attend {

struct SentencePieceProto {
  enum class PieceType : std::uint8_t {
    normal = 1,
    unknown = 2,
    control = 3,
    user_defined = 4,
    unused = 5,
    byte = 6
  };
  enum class ModelType : std::uint8_t { unigram = 1, bpe = 2, word = 3, character = 4 };

  struct Piece {
    std::string piece;
    float score = 0.0F;
    PieceType type = PieceType::normal;
  };

  struct NormalizerSpec {
    std::string precompiled_charsmap;
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    bool escape_whitespaces = true;
  };

  std::vector<Piece> pieces;  // index = id
  ModelType model_type = ModelType::unigram;
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  std::string unk_surface = " \xE2\x81\x87 ";  // what an unknown id decodes to
  std::int32_t unk_id = 0;                     // of the piece of type unknown
  // What the trainer was told; an id is -1 where the model has no such piece.
  std::int32_t trainer_unk_id = 0, trainer_bos_id = 1, trainer_eos_id = 2;
  std::string unk_piece = "<unk>", bos_piece = "<s>", eos_piece = "</s>";
  NormalizerSpec normalizer;
  NormalizerSpec denormalizer;
};

// Parses and checks a serialized ModelProto. `where` names the file in errors. Throws Error
// SPM_MODEL_INVALID with the byte offset: not a protobuf, a field of a wrong type, no pieces, an empty or
// repeated piece, a score that is not a number, no or several unknown pieces, incomplete byte pieces.
SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& where);

// Pieces that never match text: unknown, control and byte ones.
bool is_reserved(SentencePieceProto::PieceType type);

// The byte that `<0x41>` stands for; -1 for any other piece.
int byte_of_piece(std::string_view piece);

}  // namespace attend
