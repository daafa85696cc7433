// Sentence embeddings as sentence-transformers makes them: pooling over the tokens' hidden states, then the
// modules that modules.json lists.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace attend {

// 1_Pooling/config.json. Several modes are concatenated in the order of these fields.
struct Pooling {
  bool cls_token = false;
  bool max_tokens = false;
  bool mean_tokens = false;
  bool mean_sqrt_len_tokens = false;
  bool weightedmean_tokens = false;  // weights 1, 2, ... (Muennighoff 2022, arXiv:2202.08904)
  bool lasttoken = false;
  bool include_prompt = true;
};

enum class EmbeddingActivation { identity, tanh, relu, gelu, sigmoid, silu };

// `activation_function` of a Dense module or a cross-encoder: a class path of torch such as
// "torch.nn.modules.activation.Tanh". Throws Error (ACTIVATION_UNSUPPORTED) for others, naming those known.
EmbeddingActivation parse_torch_activation(std::string_view class_path);
double apply_embedding_activation(EmbeddingActivation activation, double x);

struct DenseModule {
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;
  std::vector<float> weight;  // [out_features, in_features]
  std::vector<float> bias;    // [out_features], or empty
  EmbeddingActivation activation = EmbeddingActivation::tanh;
};

struct LayerNormModule {
  std::vector<float> weight, bias;  // [dimension] each; epsilon is 1e-5
};

struct NormalizeModule {};

using EmbeddingModule = std::variant<Pooling, DenseModule, LayerNormModule, NormalizeModule>;

struct SentenceEmbeddingConfig {
  // In the order of modules.json, the transformer itself left out. A checkpoint without modules.json: mean
  // pooling alone.
  std::vector<EmbeddingModule> modules = {Pooling{.mean_tokens = true}};
  bool do_lower_case = false;  // sentence_bert_config.json
  // similarity_fn_name of config_sentence_transformers.json: cosine, dot, euclidean, manhattan.
  std::string similarity_fn_name = "cosine";
};

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
