// Hugging Face's tokenizer.json, and the older files of the same tokenizers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "attend/tokenizer.h"
#include "loaders/files/json.h"
#include "loaders/tokenizers/tokenizer_config.h"

namespace attend {

// True if the directory has tokenizer.json, or vocab.txt, or vocab.json with merges.txt.
bool has_tokenizer_json(const std::filesystem::path& directory);

// The tokenizer that the `tokenizers` library 0.23.3 builds from tokenizer.json. Without that file, the one
// that transformers 5 builds from vocab.txt (BERT), or vocab.json and merges.txt (GPT-2, RoBERTa, CLIP,
// Qwen2).
//
// Of tokenizer_config.json, as in transformers: tokens that are not in tokenizer.json are added, and flags of
// those that are replaced (added_tokens_decoder, special tokens); clean_up_tokenization_spaces counts for all
// models but BPE; split_special_tokens; model_max_length; padding_side and truncation_side. add_bos_token and
// add_eos_token count only without tokenizer.json.
//
// Errors: TOK_JSON_*, TOK_COMPONENT_UNSUPPORTED, TOK_COMPONENT_PARAM, TOK_ID_RANGE, TOK_ID_DUPLICATE,
// TOK_MERGE_FORM, TOK_MERGE_OOV, TOK_LIMIT, TOK_REGEX_UNSUPPORTED, TOK_REGEX_INVALID, TOK_BYTE_TOKEN,
// TOK_CHARSMAP, TOK_ADDED_TOKEN, TOK_CLASS_UNSUPPORTED, TOK_CONFIG_TYPE.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& directory);

// The same for the content of a tokenizer.json and a configuration that are given. `where` and `config_where`
// name them in errors.
std::unique_ptr<Tokenizer> make_json_tokenizer(const JsonValue& json, const std::string& where,
                                               const TokenizerConfig& config,
                                               const std::string& config_where);

// A tokenizer.json alone, from memory; `where` names it in messages.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& where);

}  // namespace attend
