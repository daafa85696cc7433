// Which tokenizer class of transformers 5 reads a SentencePiece model.
#pragma once

#include <cstdint>
#include <filesystem>

#include "loaders/tokenizers/tokenizer_config.h"

namespace attend {

// Classes that make the same tokenizer of a model are one family; `generic` is TokenizersBackend.
enum class SentencePieceFamily : std::uint8_t { llama, gemma, t5, xlm_roberta, mbart, generic };

// By tokenizer_class of tokenizer_config.json or config.json, else by model_type. Errors: those of reading
// config.json, TOK_CLASS_UNSUPPORTED.
SentencePieceFamily sentencepiece_family(const std::filesystem::path& directory,
                                         const TokenizerConfig& config);

}  // namespace attend
