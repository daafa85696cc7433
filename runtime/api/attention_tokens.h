// The tokens of a map's rows and columns, with the parts of the text that they stand for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "attend/tokenizer.h"

namespace attend {

struct TokenizedText {
  std::string text;
  std::vector<AttentionToken> tokens;
  std::vector<std::int32_t> type_ids;

  std::vector<std::int32_t> ids() const;
};

// The tokens that a request with this input reads. Throws INPUT_EMPTY for nothing but white space,
// TOKENIZER_MISSING, and what the tokenizer throws.
TokenizedText tokenize_input(const Tokenizer* tokenizer, const Input& input,
                             const EncodeOptions& options = {});

// Tokens that were generated, or given as ids.
TokenizedText describe_ids(const Tokenizer* tokenizer, std::span<const std::int32_t> ids);

}  // namespace attend
