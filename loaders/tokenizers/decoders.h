// Decoders: from tokens back to text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loaders/tokenizers/component_reader.h"

namespace attend {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The result is what is left, joined without anything in between.
  virtual std::vector<std::string> decode(std::vector<std::string> tokens) const = 0;
};

// Sequence, ByteLevel, Metaspace, WordPiece, BPEDecoder, CTC, ByteFallback, Fuse, Strip, Replace. `names`
// collects the types. Errors: TOK_COMPONENT_UNSUPPORTED, TOK_COMPONENT_PARAM, TOK_REGEX_*.
std::unique_ptr<Decoder> make_decoder(const ComponentReader& component, std::vector<std::string>& names);

std::unique_ptr<Decoder> make_byte_level_decoder();
std::unique_ptr<Decoder> make_word_piece_decoder(std::string_view prefix, bool cleanup);

}  // namespace attend
