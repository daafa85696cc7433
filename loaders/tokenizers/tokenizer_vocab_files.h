// Tokenizers from before tokenizer.json: vocab.txt, or vocab.json with merges.txt.
#pragma once

#include <filesystem>

#include "loaders/tokenizers/tokenizer_config.h"
#include "loaders/tokenizers/tokenizer_pipeline.h"

namespace attend {

enum class VocabFilesClass : std::uint8_t { bert, gpt2, roberta, qwen2 };

bool has_vocab_files(const std::filesystem::path& directory);

// The tokenizer class of transformers 5: config.tokenizer_class, else what belongs to config.json's
// model_type, else BERT for a vocab.txt. Errors: TOK_CLASS_UNSUPPORTED.
VocabFilesClass find_vocab_files_class(const std::filesystem::path& directory, const TokenizerConfig& config);

// The components that the class has, without the post-processor. Gives `config` the special tokens of the
// class where it names none. Errors: TOK_MERGE_*, TOK_ID_*, TOK_LIMIT, TOK_JSON_*, FILE_*.
TokenizerParts read_vocab_files(const std::filesystem::path& directory, VocabFilesClass tokenizer_class,
                                TokenizerConfig& config);

// Its post-processor; the special tokens must have their ids by now. Error TOK_ADDED_TOKEN if one is missing.
void add_vocab_files_post_processor(VocabFilesClass tokenizer_class, const TokenizerConfig& config,
                                    TokenizerParts& parts);

}  // namespace attend
