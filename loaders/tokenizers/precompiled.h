// The Precompiled normalizer: SentencePiece's table of replacements, applied per grapheme cluster.
#pragma once

#include <string>
#include <string_view>

#include "loaders/tokenizers/normalizers.h"
#include "loaders/tokenizers/sentencepiece_normalizer.h"

namespace attend {

// A cluster of less than six bytes is looked up whole, and the first rule for one of its prefixes replaces
// all of it; otherwise each character is looked up by itself. (SentencePiece takes the longest rule at each
// position.)
class Precompiled : public Normalizer {
 public:
  // `charsmap` is base64. Errors: TOK_CHARSMAP.
  Precompiled(std::string_view charsmap, const std::string& where);
  void normalize(NormalizedString& text) const override;

 private:
  CharsMap rules_;
};

}  // namespace attend
