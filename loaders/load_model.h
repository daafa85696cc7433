// From a directory on disk to everything that running its model needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "engine/model/model_def.h"
#include "loaders/files/stored_tensors.h"

namespace attend {

// A tokenizer that is still to be read.
struct TokenizerSource {
  std::filesystem::path directory;
  // Of the model's embedding; 0: not checked against.
  std::int64_t embedding_rows = 0;

  // Null when the directory has none. Errors: those of load_tokenizer(), TOK_VOCAB_MISMATCH.
  std::shared_ptr<const Tokenizer> load() const;
};

struct LoadedModel {
  ModelDef def;
  std::unique_ptr<StoredTensors> weights;
  TokenizerSource tokenizer_source;
  std::shared_ptr<const Tokenizer> tokenizer;  // null when the directory has none
};

// The definition is that of the directory's graph.json where it has one, else the architecture's that
// config.json names. A directory of sentence-transformers may keep the transformer itself in a folder that
// modules.json names. Reads headers and JSON only, no weights. Throws one Error with every refusal:
// configuration first (nothing can be built from a wrong one), then tensors that are missing, misshapen or
// unused.
LoadedModel load_model(const std::filesystem::path& directory);

// The same but for the tokenizer, which may be read while the weights are.
LoadedModel load_definition(const std::filesystem::path& directory);

}  // namespace attend
