// The tokenizer, as the runtime and users of the API see it; loaders implement it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attend {

// Token ids are what Hugging Face's tokenizer gives for the same text.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::string> tokens;
  // [start, end) in Unicode code points of the original text; (0, 0) for tokens that were added.
  // Empty when the tokenizer has no offsets (SentencePiece models of translation).
  std::vector<std::pair<std::int32_t, std::int32_t>> offsets;
  std::vector<std::int32_t> type_ids;
  // 0 for the first text, 1 for the second, -1 for special tokens that were added.
  std::vector<std::int32_t> sequence_ids;
  // Which word of its text, as the pre-tokenizer splits it, a token is part of, counted from 0 in each text;
  // -1 for tokens that were added. Empty when the tokenizer does not split into words.
  std::vector<std::int32_t> word_ids;
  // 1 for tokens that were added (special ones and padding), 0 for those of the text.
  std::vector<std::int32_t> special_tokens_mask;
  // 0 for padding, 1 for everything else.
  std::vector<std::int32_t> attention_mask;
  // Further windows when truncation with a stride was asked for.
  std::vector<Encoding> overflowing;
};

// Where tokens are cut off, and where padding goes.
enum class Side : std::uint8_t { right, left };

struct Truncation {
  enum class Strategy { longest_first, only_first, only_second };
  std::int32_t max_length = 0;  // tokens, special ones included
  std::int32_t stride = 0;      // tokens that neighbouring windows share
  Strategy strategy = Strategy::longest_first;
  Side side = Side::right;
};

struct Padding {
  std::optional<std::int32_t> length;  // to the longest of the batch when there is none
  std::int32_t multiple_of = 0;        // the length is rounded up to a multiple of this, unless it is 0
  Side side = Side::right;
  std::int32_t id = 0;
  std::int32_t type_id = 0;
  std::string token = "[PAD]";
};

struct EncodeOptions {
  bool add_special_tokens = true;
  // The second text of a pair.
  std::optional<std::string> pair{};
  std::optional<Truncation> truncation{};
  // Leaves tokens and offsets empty, which is faster.
  bool ids_only = false;
  // Encode with the target side's vocabulary (translation models with two).
  bool as_target = false;
};

// Ids of the tokens that tokenizer_config.json and special_tokens_map.json give a role.
struct SpecialTokenIds {
  std::optional<std::int32_t> bos, eos, unk, sep, pad, cls, mask;
};

// Immutable after loading; all functions may be called from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // `text` is UTF-8; invalid bytes are an Error (INVALID_UTF8) that gives the offset.
  virtual Encoding encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // Ids outside the vocabulary are an Error (TOKEN_ID_RANGE). Spaces are cleaned up as the checkpoint's
  // tokenizer_config.json asks.
  virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const = 0;
  virtual std::optional<std::int32_t> token_to_id(std::string_view token) const = 0;
  virtual std::optional<std::string> id_to_token(std::int32_t id) const = 0;
  // Largest id plus one.
  virtual std::int32_t vocab_size() const = 0;
  virtual bool is_special(std::int32_t id) const = 0;
  virtual SpecialTokenIds special_token_ids() const { return {}; }
  // Whether models get the type ids of an encoding, or 0 for every token.
  virtual bool uses_type_ids() const { return true; }
  // What tokens that continue a word begin with ("##" for WordPiece); empty when nothing marks them.
  virtual std::string continuing_subword_prefix() const { return {}; }
  // The decoder of tokenizer.json alone, applied to tokens: no special tokens dropped, no spaces cleaned up.
  // Tokens joined by spaces when there is no decoder.
  virtual std::string convert_tokens_to_string(std::span<const std::string> tokens) const {
    std::string text;
    for (const std::string& token : tokens) {
      if (!text.empty()) text += ' ';
      text += token;
    }
    return text;
  }
  // Limit of tokenizer_config.json's model_max_length, where it has one.
  virtual std::optional<std::int32_t> model_max_length() const { return std::nullopt; }
  // What the checkpoint's files say; nothing of it is done unless it is asked for.
  virtual std::optional<Truncation> stored_truncation() const { return std::nullopt; }
  virtual std::optional<Padding> stored_padding() const { return std::nullopt; }
  // Component names from the first to the last, for `inspect`.
  virtual std::vector<std::string> components() const { return {}; }
};

// Pads all to one length, their overflowing windows too. Encodings are not padded otherwise.
void pad_encodings(std::span<Encoding> encodings, const Padding& padding);

}  // namespace attend
