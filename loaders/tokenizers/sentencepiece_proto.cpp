#include "loaders/tokenizers/sentencepiece_proto.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "attend/error.h"
#include "loaders/files/message_text.h"
#include "loaders/tokenizers/piece_index.h"

namespace attend {
namespace {

using Proto = SentencePieceProto;

constexpr std::int32_t kMaxPieces = 1 << 24;

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  WireType type = WireType::varint;
  std::uint64_t varint = 0;
  std::uint32_t fixed32 = 0;
  std::string_view bytes;
  std::size_t offset = 0;  // of the value, in the file
};

// Walks the fields of one protobuf message; sub-messages are walked by a reader of their own.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, std::size_t file_offset, const std::string& where)
      : bytes_(bytes), file_offset_(file_offset), where_(where) {}

  bool next(Field& field) {
    if (position_ == bytes_.size()) return false;
    const std::uint64_t tag = read_varint();
    if (tag > std::numeric_limits<std::uint32_t>::max() || (tag >> 3) == 0)
      fail("a field tag is out of range");
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.offset = file_offset_ + position_;
    switch (tag & 7U) {
      case 0:
        field.type = WireType::varint;
        field.varint = read_varint();
        break;
      case 1:
        field.type = WireType::fixed64;
        take(8);
        break;
      case 2: {
        field.type = WireType::bytes;
        const std::uint64_t size = read_varint();
        field.offset = file_offset_ + position_;
        field.bytes = take(size);
        break;
      }
      case 5: {
        field.type = WireType::fixed32;
        const std::string_view raw = take(4);
        field.fixed32 = 0;
        for (std::size_t i = 4; i-- > 0;)
          field.fixed32 = field.fixed32 << 8U | static_cast<unsigned char>(raw[i]);
        break;
      }
      default: fail(fmt::format("wire type {} is not one of protobuf's", tag & 7U));
    }
    return true;
  }

  MessageReader sub_message(const Field& field) const { return {field.bytes, field.offset, where_}; }

  [[noreturn]] void fail(const std::string& what) const { fail_at(file_offset_ + position_, what); }
  [[noreturn]] void fail_at(std::size_t offset, const std::string& what) const {
    throw Error(
        "SPM_MODEL_INVALID", where_,
        fmt::format("not a SentencePiece model: {} at byte {}; download the file again", what, offset));
  }

  void expect(const Field& field, WireType type, std::string_view name) const {
    if (field.type != type) fail_at(field.offset, fmt::format("the field {} has the wrong wire type", name));
  }

 private:
  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (position_ == bytes_.size()) fail("the message ends inside a number");
      const auto byte = static_cast<unsigned char>(bytes_[position_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    fail("a number has more than 10 bytes");
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - position_) {
      fail(fmt::format("a value of {} bytes is declared where {} are left", size, bytes_.size() - position_));
    }
    const std::string_view part = bytes_.substr(position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
    return part;
  }

  std::string_view bytes_;
  std::size_t file_offset_;
  const std::string& where_;
  std::size_t position_ = 0;
};

Proto::Piece read_piece(MessageReader reader) {
  Proto::Piece piece;
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1:
        reader.expect(field, WireType::bytes, "piece");
        piece.piece = field.bytes;
        break;
      case 2:
        reader.expect(field, WireType::fixed32, "score");
        piece.score = std::bit_cast<float>(field.fixed32);
        if (std::isnan(piece.score)) reader.fail_at(field.offset, "a piece's score is NaN");
        break;
      case 3:
        reader.expect(field, WireType::varint, "type");
        if (field.varint < 1 || field.varint > 6) {
          reader.fail_at(field.offset, fmt::format("piece type {} is not one of 1 to 6", field.varint));
        }
        piece.type = static_cast<Proto::PieceType>(field.varint);
        break;
      default: break;
    }
  }
  if (piece.piece.empty()) reader.fail("a piece is empty");
  if (piece.piece.find('\0') != std::string::npos) reader.fail("a piece holds a NUL byte");
  if (find_invalid_utf8(piece.piece) != std::string::npos) reader.fail("a piece is not UTF-8");
  return piece;
}

std::int32_t read_id(const MessageReader& reader, const Field& field) {
  reader.expect(field, WireType::varint, "an id of trainer_spec");
  // Negative numbers are written as 64-bit ones.
  const auto id = static_cast<std::int64_t>(field.varint);
  if (id < -1 || id >= kMaxPieces) reader.fail_at(field.offset, fmt::format("id {} is out of range", id));
  return static_cast<std::int32_t>(id);
}

void read_name(const MessageReader& reader, const Field& field, std::string& name) {
  reader.expect(field, WireType::bytes, "a piece of trainer_spec");
  if (find_invalid_utf8(field.bytes) != std::string::npos)
    reader.fail("a piece of trainer_spec is not UTF-8");
  if (!field.bytes.empty()) name = field.bytes;
}

void read_trainer_spec(MessageReader reader, Proto& model) {
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 3:
        reader.expect(field, WireType::varint, "trainer_spec.model_type");
        if (field.varint < 1 || field.varint > 4) {
          reader.fail_at(field.offset,
                         fmt::format("trainer_spec.model_type {} is not one of 1 to 4", field.varint));
        }
        model.model_type = static_cast<Proto::ModelType>(field.varint);
        break;
      case 24:
        reader.expect(field, WireType::varint, "trainer_spec.treat_whitespace_as_suffix");
        model.treat_whitespace_as_suffix = field.varint != 0;
        break;
      case 35:
        reader.expect(field, WireType::varint, "trainer_spec.byte_fallback");
        model.byte_fallback = field.varint != 0;
        break;
      case 44:
        reader.expect(field, WireType::bytes, "trainer_spec.unk_surface");
        if (find_invalid_utf8(field.bytes) != std::string::npos) reader.fail("unk_surface is not UTF-8");
        model.unk_surface = field.bytes;
        break;
      case 40: model.trainer_unk_id = read_id(reader, field); break;
      case 41: model.trainer_bos_id = read_id(reader, field); break;
      case 42: model.trainer_eos_id = read_id(reader, field); break;
      case 45: read_name(reader, field, model.unk_piece); break;
      case 46: read_name(reader, field, model.bos_piece); break;
      case 47: read_name(reader, field, model.eos_piece); break;
      default: break;
    }
  }
}

void read_normalizer_spec(MessageReader reader, Proto::NormalizerSpec& spec) {
  Field field;
  while (reader.next(field)) {
    if (field.number == 2) {
      reader.expect(field, WireType::bytes, "normalizer_spec.precompiled_charsmap");
      spec.precompiled_charsmap = field.bytes;
    } else if (field.number >= 3 && field.number <= 5) {
      reader.expect(field, WireType::varint, "a flag of normalizer_spec");
      const bool value = field.varint != 0;
      if (field.number == 3) spec.add_dummy_prefix = value;
      if (field.number == 4) spec.remove_extra_whitespaces = value;
      if (field.number == 5) spec.escape_whitespaces = value;
    }
  }
}

void check_pieces(Proto& model, const MessageReader& reader) {
  if (model.pieces.empty()) reader.fail("the model has no pieces");
  // Reserved pieces (control, unknown, byte) may be spelled like a normal one.
  std::array<PieceIndex, 2> seen{PieceIndex(model.pieces.size()), PieceIndex(model.pieces.size())};
  std::array<bool, 256> byte_found{};
  std::int32_t unknown = -1;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const Proto::Piece& piece = model.pieces[id];
    if (!seen[is_reserved(piece.type) ? 1 : 0].insert(model.pieces, static_cast<std::int32_t>(id))) {
      reader.fail(fmt::format("piece {} repeats an earlier one (\"{}\")", id, piece.piece));
    }
    if (piece.type == Proto::PieceType::unknown) {
      if (unknown >= 0) reader.fail(fmt::format("pieces {} and {} both are the unknown piece", unknown, id));
      unknown = static_cast<std::int32_t>(id);
    }
    if (piece.type == Proto::PieceType::byte) {
      const int byte = byte_of_piece(piece.piece);
      if (byte < 0 || !model.byte_fallback) {
        reader.fail(
            fmt::format("piece {} (\"{}\") is no byte piece of a model with byte fallback", id, piece.piece));
      }
      byte_found[static_cast<std::size_t>(byte)] = true;
    }
  }
  if (unknown < 0) reader.fail("there is no unknown piece");
  model.unk_id = unknown;
  for (std::size_t byte = 0; model.byte_fallback && byte < byte_found.size(); ++byte) {
    if (!byte_found[byte])
      reader.fail(fmt::format("byte fallback is on and the piece <0x{:02X}> is missing", byte));
  }
}

}  // namespace

bool is_reserved(SentencePieceProto::PieceType type) {
  using Type = SentencePieceProto::PieceType;
  return type == Type::unknown || type == Type::control || type == Type::byte;
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  for (const char c : piece.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'F')) return -1;
    value = value * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return value;
}

SentencePieceProto parse_sentencepiece_proto(std::string_view bytes, const std::string& where) {
  Proto model;
  MessageReader reader(bytes, 0, where);
  if (bytes.starts_with("version https://git-lfs")) {
    reader.fail("this is a Git LFS pointer (run `git lfs pull`)");
  }
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 1:
        reader.expect(field, WireType::bytes, "pieces");
        if (model.pieces.size() == static_cast<std::size_t>(kMaxPieces)) {
          reader.fail_at(field.offset, fmt::format("more than {} pieces", kMaxPieces));
        }
        model.pieces.push_back(read_piece(reader.sub_message(field)));
        break;
      case 2:
        reader.expect(field, WireType::bytes, "trainer_spec");
        read_trainer_spec(reader.sub_message(field), model);
        break;
      case 3:
        reader.expect(field, WireType::bytes, "normalizer_spec");
        read_normalizer_spec(reader.sub_message(field), model.normalizer);
        break;
      case 5:
        reader.expect(field, WireType::bytes, "denormalizer_spec");
        read_normalizer_spec(reader.sub_message(field), model.denormalizer);
        break;
      default: break;
    }
  }
  check_pieces(model, reader);
  return model;
}

}  // namespace attend
