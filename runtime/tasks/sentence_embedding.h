// Sentence embeddings as sentence-transformers makes them: pooling over the tokens' hidden states, then the
// other modules of the checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/embedding_modules.h"

namespace attend {

double apply_embedding_activation(EmbeddingActivation activation, double x);

// "mean pooling, dense 768 -> 256, normalize": for logs.
std::string describe(const SentenceEmbeddingConfig& config);

// Hidden states [T, D], T >= 1, to the embedding. The first `prompt_tokens` tokens are left out of the
// pooling when it asks for that. Throws Error (EMBEDDING_CONFIG) when a module does not fit what it is given.
std::vector<float> sentence_embedding(std::span<const float> hidden, std::int64_t tokens, std::int64_t width,
                                      const SentenceEmbeddingConfig& config, std::int32_t prompt_tokens = 0);

// Divides by the Euclidean norm; a zero vector stays as it is.
void normalize_embedding(std::span<float> vector);

// The larger, the closer; the distances are negated. Vectors of different length are an Error.
double embedding_similarity(std::span<const float> a, std::span<const float> b,
                            std::string_view similarity_fn_name);

}  // namespace attend
