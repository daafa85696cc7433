// LlamaTokenizer of transformers 5, which takes vocabulary, merges and post-processor from tokenizer.json and
// its own parts for the rest, so that older files of the same model (Prepend and Replace instead of
// Metaspace) give the same ids after a special token, and special tokens are spelled as they are.
#pragma once

#include <filesystem>

#include "loaders/files/json.h"
#include "loaders/tokenizers/component_reader.h"
#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/tokenizer_pipeline.h"

namespace attend {

// Whether transformers' AutoTokenizer takes this class for the directory: a model (there is a config.json)
// whose files name it and whose tokenizer.json is a BPE that is not byte-level.
bool is_llama_class(const std::filesystem::path& directory, const TokenizerConfig& config,
                    const JsonValue& tokenizer_json);

// The parts of the class around the vocabulary and merges of `model`.
TokenizerParts make_llama_parts(const ComponentReader& model, const TokenizerConfig& config);

// Gives `config` the special tokens of the class where it names none, and the added tokens of tokenizer.json
// where tokenizer_config.json lists none.
void complete_llama_config(const std::vector<std::pair<std::int32_t, AddedToken>>& file_tokens,
                           TokenizerConfig& config);

}  // namespace attend
