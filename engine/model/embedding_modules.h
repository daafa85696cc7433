// What makes a sentence embedding of a base model's hidden states: the modules of sentence-transformers, as
// data. Loaders read them from modules.json and the folders it names; runtime/tasks applies them.
#pragma once

#include <cstdint>
#include <map>
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
  bool from_files = false;          // false: nobody said that these are the modules
  bool do_lower_case = false;       // sentence_bert_config.json
  std::int32_t max_seq_length = 0;  // tokens of a text, longer ones are cut; 0: what the tokenizer says
  // similarity_fn_name of config_sentence_transformers.json: cosine, dot, euclidean, manhattan.
  std::string similarity_fn_name = "cosine";
  // Texts that are put before the input, by name, and the one that is unless the caller says otherwise.
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
};

}  // namespace attend
