// Normalizers: what happens to the text before it is cut into words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loaders/tokenizers/component_reader.h"
#include "loaders/tokenizers/normalized_string.h"

namespace attend {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(NormalizedString& text) const = 0;
};

// Sequence, NFC, NFD, NFKC, NFKD, Nmt, Lowercase, Strip, StripAccents, Prepend, Replace, Precompiled,
// BertNormalizer, ByteLevel. `names` collects the types, for `inspect`. Errors: TOK_COMPONENT_UNSUPPORTED,
// TOK_COMPONENT_PARAM, TOK_REGEX_*, TOK_CHARSMAP.
std::unique_ptr<Normalizer> make_normalizer(const ComponentReader& component,
                                            std::vector<std::string>& names);

std::unique_ptr<Normalizer> make_form_normalizer(NormalizationForm form);

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};
std::unique_ptr<Normalizer> make_bert_normalizer(const BertNormalizerOptions& options);

}  // namespace attend
