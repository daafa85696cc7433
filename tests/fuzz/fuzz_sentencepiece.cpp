// SentencePiece models from any bytes: a typed error, or a model that encodes and decodes any text without
// losing a byte of it. Seeds: *.spm and *.model files.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "loaders/tokenizers/sentencepiece_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const attend::SentencePieceModel model(attend::parse_sentencepiece_proto(bytes, "fuzz"), "fuzz");
    std::string text = "Hello  world \xE3\x81\x82\xEF\xBF\xBD 123 <s> \xE2\x96\x81";
    for (std::int32_t id = 0; id < model.size() && id < 8; ++id) text += model.id_to_piece(id);
    // The tail of the input as text, so that mutations reach the search as well.
    text += bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 64));
    std::uint32_t end = 0;
    std::vector<std::string_view> pieces;
    for (const auto& piece : model.encode(text)) {
      if (piece.id < 0 || piece.id >= model.size() || piece.begin > piece.end || piece.end > text.size())
        std::abort();
      if (piece.begin < end) std::abort();
      end = piece.end;
      pieces.emplace_back(model.id_to_piece(piece.id));
    }
    model.decode(pieces);
  } catch (const attend::Error&) {
  }
  return 0;
}
