// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say, as transformers 5 reads
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/files/json.h"

namespace attend {

// A token that is found in the text before the model sees it.
struct AddedToken {
  std::string content;
  bool single_word = false;  // matches whole words only
  bool lstrip = false;       // takes the white space on its left
  bool rstrip = false;
  bool normalized = true;  // matches the normalized text instead of the raw one
  bool special = false;    // left out by decode
};

struct TokenizerConfig {
  // Special tokens by attribute: bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token
  // in this order, then those of the model (image_token ...).
  std::vector<std::pair<std::string, AddedToken>> named_tokens;
  std::vector<AddedToken> extra_special_tokens;
  std::map<std::int32_t, AddedToken> added_tokens;  // by id
  bool clean_up_tokenization_spaces = false;
  bool split_special_tokens = false;
  // Nothing when the file has no such key; 0 when it has and means no limit.
  std::optional<std::int32_t> model_max_length;
  // Whether models get token types: model_input_names. Nothing when the file has no such key.
  std::optional<bool> type_ids;
  std::string tokenizer_class;
  // tokenizer_config.json itself, for the keys of one class; null without that file.
  JsonDocument json;

  const AddedToken* named(std::string_view attribute) const;
  // Sets the token of an attribute that the files leave open.
  void set_default(std::string_view attribute, std::string_view content);
  // Every special token once, named ones first.
  std::vector<std::string> all_special_tokens() const;
};

// Reads what the directory has of the three files; an empty config when it has none. Errors: CFG_JSON_* of
// the reader, TOK_CONFIG_TYPE for a key of the wrong type, TOK_ID_RANGE, TOK_ADDED_TOKEN for a token that is
// empty or longer than 1024 bytes.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory);

// Hugging Face's clean_up_tokenization: removes spaces before English punctuation and contractions.
std::string clean_up_tokenization(std::string text);

}  // namespace attend
