// A tokenizer made of the components that tokenizer.json describes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/tokenizer.h"
#include "loaders/tokenizers/added_vocabulary.h"
#include "loaders/tokenizers/decoders.h"
#include "loaders/tokenizers/normalizers.h"
#include "loaders/tokenizers/post_processors.h"
#include "loaders/tokenizers/pre_tokenizers.h"
#include "loaders/tokenizers/token_model.h"

namespace attend {

// Everything but the model may be absent.
struct TokenizerParts {
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  std::unique_ptr<PostProcessor> post_processor;
  std::unique_ptr<Decoder> decoder;
  AddedVocabulary added;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
  bool clean_up_tokenization_spaces = false;
  std::optional<std::int32_t> model_max_length;
  SpecialTokenIds special_ids;
  bool uses_type_ids = true;
  std::vector<std::string> names;  // of the components, from the first to the last
};

class TokenizerPipeline : public Tokenizer {
 public:
  explicit TokenizerPipeline(TokenizerParts parts);

  Encoding encode(std::string_view text, const EncodeOptions& options) const override;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const override;
  std::optional<std::int32_t> token_to_id(std::string_view token) const override;
  std::optional<std::string> id_to_token(std::int32_t id) const override;
  std::int32_t vocab_size() const override;
  // The same without added tokens.
  std::int32_t model_vocab_size() const { return parts_.model->vocabulary().end_id(); }
  bool is_special(std::int32_t id) const override;
  SpecialTokenIds special_token_ids() const override { return parts_.special_ids; }
  bool uses_type_ids() const override { return parts_.uses_type_ids; }
  std::string continuing_subword_prefix() const override { return parts_.model->continuing_subword_prefix(); }
  std::string convert_tokens_to_string(std::span<const std::string> tokens) const override;
  std::optional<std::int32_t> model_max_length() const override { return parts_.model_max_length; }
  std::optional<Truncation> stored_truncation() const override { return parts_.truncation; }
  std::optional<Padding> stored_padding() const override { return parts_.padding; }
  std::vector<std::string> components() const override { return parts_.names; }

 private:
  std::string joined(std::vector<std::string> tokens) const;
  // One text, without special tokens.
  Encoding encode_sequence(std::string_view text, std::int32_t sequence, const EncodeOptions& options) const;
  void tokenize_piece(const PreTokenized& text, const Piece& piece, std::vector<ModelToken>& tokens) const;

  TokenizerParts parts_;
  std::uint32_t number_;  // of this tokenizer, for WordCache
};

}  // namespace attend
