// Directories of sentence-transformers (Reimers and Gurevych 2019, arXiv:1908.10084): modules.json, the
// folders that it names, sentence_bert_config.json and config_sentence_transformers.json.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "engine/model/embedding_modules.h"

namespace attend {

// The folder of the transformer itself within `directory`: empty, or in older checkpoints "0_Transformer",
// when modules.json names one and config.json is there alone.
std::filesystem::path transformer_folder(const std::filesystem::path& directory);

// The folders that modules.json names, in its order; empty without that file.
std::vector<std::filesystem::path> module_folders(const std::filesystem::path& directory);

// What modules.json of `root` says; nothing without that file. `transformer` is the directory of the
// transformer itself. Modules other than Pooling, Dense, LayerNorm, Normalize and Dropout (which does nothing
// here), and options that change what they compute, are refused by name. Throws EMBEDDING_CONFIG,
// EMBEDDING_MODULE, EMBEDDING_FIELD_* and the errors of JSON and weight files.
std::optional<SentenceEmbeddingConfig> read_sentence_embedding(const std::filesystem::path& root,
                                                               const std::filesystem::path& transformer);

}  // namespace attend
