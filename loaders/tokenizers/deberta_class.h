// DebertaV2Tokenizer of directories that hold spm.model and no tokenizer.json, as DeBERTa v2 and v3 were
// published.
#pragma once

#include <filesystem>
#include <memory>

#include "attend/tokenizer.h"

namespace attend {

// Whether the directory's tokenizer class, or its model, is DeBERTa's, and spm.model is there.
bool is_deberta_class(const std::filesystem::path& directory);

// As transformers 5 builds it: the pieces as a Unigram model between components of the class's own, which
// leave the table of replacements in spm.model aside. Errors: SPM_MODEL_INVALID, TOK_ADDED_TOKEN when the
// model has no piece for the class or separator token, those of tokenizer_config.json.
std::unique_ptr<Tokenizer> load_deberta_tokenizer(const std::filesystem::path& directory);

}  // namespace attend
