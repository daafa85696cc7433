// What transformers' tokenizer classes of encoders, and Gemma's, have where the files leave it open: special
// tokens, and whether models get token types.
#pragma once

#include <filesystem>
#include <string>

#include "loaders/tokenizers/tokenizer_config.h"

namespace attend {

// By tokenizer_class, else by model_type in the directory's config.json; other classes have no defaults here.
void set_class_defaults(const std::filesystem::path& directory, TokenizerConfig& config);

// model_type of config.json; empty without.
std::string config_model_type(const std::filesystem::path& directory);

}  // namespace attend
