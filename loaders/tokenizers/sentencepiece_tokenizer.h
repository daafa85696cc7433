// Tokenizers of directories that have a SentencePiece model and no tokenizer.json.
#pragma once

#include <filesystem>
#include <memory>

#include "attend/tokenizer.h"

namespace attend {

// True if the directory has tokenizer.model, spiece.model or sentencepiece.bpe.model.
bool has_sentencepiece_model(const std::filesystem::path& directory);

// The tokenizer that transformers 5 makes of the model: pieces and merges go into the `tokenizers` pipeline
// of the tokenizer class (Llama, Gemma, T5, XLM-RoBERTa, mBART, or the one for all others), so that ids are
// those of AutoTokenizer, which are not always SentencePiece's. SentencePieceModel is the raw model.
//
// The class is tokenizer_class of tokenizer_config.json or config.json, else it follows from model_type.
// Errors: those of SentencePieceModel and load_tokenizer_json, TOK_CLASS_UNSUPPORTED.
std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const std::filesystem::path& directory);

}  // namespace attend
