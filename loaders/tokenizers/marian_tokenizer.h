// Tokenizer of Marian (OPUS-MT) checkpoints: two SentencePiece models that cut text into pieces, and a
// vocabulary of its own that numbers them. The rules are those of Hugging Face's MarianTokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "attend/tokenizer.h"
#include "loaders/tokenizers/byte_trie.h"
#include "loaders/tokenizers/sentencepiece_model.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/vocabulary.h"

namespace attend {

class MarianTokenizer final : public Tokenizer {
 public:
  // Reads source.spm, target.spm, vocab.json, target_vocab.json (with "separate_vocabs") and what
  // read_tokenizer_config() reads. Errors: FILE_NOT_FOUND, SPM_MODEL_INVALID, TOK_ID_RANGE, TOK_ID_DUPLICATE,
  // TOK_UNK_MISSING.
  static std::unique_ptr<MarianTokenizer> load(const std::filesystem::path& directory);

  // No offsets. `options.pair` is appended before the end token; overflowing windows are not made.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const override;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const override;
  std::optional<std::int32_t> token_to_id(std::string_view token) const override;
  std::optional<std::string> id_to_token(std::int32_t id) const override;
  std::int32_t vocab_size() const override { return vocab_size_; }
  bool is_special(std::int32_t id) const override { return special_ids_.contains(id); }
  std::optional<std::int32_t> model_max_length() const override;
  std::vector<std::string> components() const override;

 private:
  // What differs between encoding source and target text.
  struct Side {
    SentencePieceModel spm;
    std::shared_ptr<const Vocabulary> ids;  // often of both sides
  };

  MarianTokenizer(Side source, Side target, bool separate_vocabs, TokenizerConfig config,
                  const std::string& where);
  void add_special_tokens();
  std::vector<std::string> tokenize(std::string_view text, const Side& side) const;
  std::vector<std::string> split_added_tokens(std::string_view text) const;
  void tokenize_segment(std::string_view text, const Side& side, std::vector<std::string>& tokens) const;
  std::vector<std::int32_t> ids_of(const std::vector<std::string>& tokens, const Side& side) const;
  std::string text_of(std::span<const std::string> tokens) const;

  Side source_;
  Side target_;
  bool separate_vocabs_;
  TokenizerConfig config_;
  std::map<std::string, std::int32_t, std::less<>> added_ids_;
  ByteTrie added_trie_;
  std::unordered_set<std::int32_t> special_ids_;
  std::unordered_set<std::string> special_tokens_;
  std::int32_t eos_id_ = 0;
  std::int32_t vocab_size_ = 0;
};

}  // namespace attend
