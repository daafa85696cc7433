// The tokenizer of a checkpoint directory, whichever of the published forms it has.
#pragma once

#include <filesystem>
#include <memory>

#include "attend/tokenizer.h"

namespace attend {

// Marian's pair (source.spm, target.spm, vocab.json), else tokenizer.json, else the older files of one
// tokenizer class. Null when the directory has no tokenizer files; Error when they are malformed or of a
// kind that is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

}  // namespace attend
