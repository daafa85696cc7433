// The model of a tokenizer: from one word to tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/component_reader.h"
#include "loaders/tokenizers/vocabulary.h"

namespace attend {

struct ModelToken {
  std::int32_t id;
  std::uint32_t begin, end;  // bytes of the word; may reach past it (see Bpe)
  bool surface = false;      // its text is that part of the word, not the vocabulary's
};

// Immutable; used by many threads.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of the word, which is not empty. Error TOK_UNKNOWN_TOKEN when the model has no token
  // for unknown text and meets some.
  virtual void tokenize(std::string_view word, std::vector<ModelToken>& tokens) const = 0;
  virtual std::string_view type() const = 0;
  // What tokens that continue a word begin with; empty when nothing marks them.
  virtual std::string continuing_subword_prefix() const { return {}; }
  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  Vocabulary vocabulary_;
};

// BPE, WordPiece, WordLevel, Unigram; files of before types were written are told by their fields. Errors:
// TOK_COMPONENT_UNSUPPORTED, TOK_COMPONENT_PARAM, TOK_ID_RANGE, TOK_ID_DUPLICATE, TOK_MERGE_FORM,
// TOK_MERGE_OOV, TOK_BYTE_TOKEN, TOK_LIMIT.
std::unique_ptr<TokenModel> make_token_model(const ComponentReader& component);

// An object of token to id.
Vocabulary read_vocabulary(const JsonValue& object, const std::string& where);

// Ids of <0x00> to <0xFF>, -1 where the vocabulary has none. Error TOK_BYTE_TOKEN for a token that looks like
// one but stands for no byte.
std::vector<std::int32_t> read_byte_tokens(const Vocabulary& vocabulary, const std::string& where);

}  // namespace attend
