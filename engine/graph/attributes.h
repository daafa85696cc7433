// Attributes of the graph's nodes: plain structs, filled with designated initialisers by the definitions.
//
// T tokens of a step, D model width, H heads, d head width.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace attend {

enum class Act : std::uint8_t { none, relu, gelu, gelu_tanh, silu, tanh, sigmoid, quick_gelu };

// Rows of a table, by index: [T] -> [T, dim]. Weight `weight` [rows, dim].
struct Embedding {
  std::int64_t rows = 0;
  std::int64_t dim = 0;
  float scale = 1.0F;
  std::int64_t offset = 0;  // added to every index (BART's positions begin at 2)
};

// Sinusoidal positions (Vaswani et al. 2017, section 3.5), sines in the first half of the row and cosines in
// the second: [T] -> [T, dim]. No weights.
struct Sinusoid {
  std::int64_t rows = 0;
  std::int64_t dim = 0;
};

// Layer normalisation (arXiv:1607.06450) or root-mean-square normalisation (arXiv:1910.07467) of each row.
struct Norm {
  enum Kind : std::uint8_t { layer, rms };
  Kind kind = layer;
  float eps = 1e-5F;
  bool bias = true;            // of layer norms
  float weight_offset = 0.0F;  // Gemma stores its weights minus one
};

// y = act(x W^T + b): [*, in] -> [*, out].
struct Linear {
  std::int64_t out = 0;
  bool bias = false;
  Act act = Act::none;
  std::string weight_tensor{};  // full tensor names where they are not NAME.weight and NAME.bias
  std::string bias_tensor{};
  bool transposed = false;  // stored [in, out], as GPT-2's Conv1D
  float softcap = 0.0F;     // y = cap * tanh(y / cap), when not 0
  float scale = 1.0F;       // y * scale, before the cap
};

// Rotary positions (arXiv:2104.09864): pairs (i, i + dims/2), or (2i, 2i + 1) when interleaved.
struct Rope {
  std::int64_t dims = 0;          // rotated elements of each head, the first ones
  std::vector<float> inv_freq{};  // [dims / 2]
  float scale = 1.0F;             // of cosines and sines (YaRN's attention factor)
  bool interleaved = false;
  // Frequencies of sequences longer than `dynamic_from` tokens: `long_inv_freq` (LongRoPE), or where that is
  // empty those of a base that grows with the length (rope_type dynamic). Cached keys keep their old
  // rotation, as in transformers; see SequenceSpan::rotated_as.
  std::int64_t dynamic_from = 0;       // 0: static
  std::vector<float> long_inv_freq{};  // [dims / 2]
  float theta = 10000.0F;
  float factor = 1.0F;
  bool operator==(const Rope&) const = default;
};

enum class Mask : std::uint8_t { none, causal };

// Names of the projections, relative to the layer. `qkv` names one fused tensor instead of three, its rows in
// the order queries, keys, values (GPT-2, Phi-3).
struct Projections {
  std::string q{};
  std::string k{};
  std::string v{};
  std::string out{};
  std::string qkv{};
  bool bias = true;  // of q, k, v
  bool out_bias = true;
  bool transposed = false;
  bool operator==(const Projections&) const = default;
};

// A learned bias per head and bucket of the distance from query to key, added to the scaled scores (T5,
// Raffel et al. 2019, arXiv:1910.10683; MPNet, arXiv:2004.09297). Layers may share the table.
struct RelativeBias {
  std::string table{};        // full tensor name, [buckets, heads]
  std::int64_t buckets = 32;  // 0: no bias
  std::int64_t max_distance = 128;
  bool bidirectional = true;  // half of the buckets for keys after the query
};

// DeBERTa's disentangled attention (He et al. 2020, arXiv:2006.03654): scores gain query . position key and
// key . position query, the positions being embeddings of bucketed distances, [2 * span, D].
struct Disentangled {
  std::string embeddings{};  // full tensor name; empty: no such terms
  std::string norm{};        // full name of a layer norm over the embeddings; empty: none
  float norm_eps = 1e-7F;
  std::int64_t span = 0;          // of the embeddings: distances (or buckets of them) -span .. span - 1
  std::int64_t buckets = 0;       // logarithmic buckets beyond buckets / 2; 0: distances as they are
  std::int64_t max_distance = 0;  // the last bucket begins there
  bool content_to_position = true;
  bool position_to_content = true;
  // Projections of the embeddings, relative to the layer; empty: the layer's own queries and keys.
  std::string pos_key{};
  std::string pos_query{};
};

// Multi-head attention (Vaswani et al. 2017); grouped queries when kv_heads < heads (arXiv:2305.13245).
struct Attention {
  Projections proj{};
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // 0: as many as heads
  std::int64_t head_dim = 0;  // 0: D / heads
  float scale = 0.0F;         // 0: 1 / sqrt(head_dim)
  Mask mask = Mask::none;
  std::int64_t window = 0;  // keys a query may see, itself included (both ways without a causal mask); 0: all
  float softcap = 0.0F;     // scores = cap * tanh(scores / cap), when not 0
  std::optional<Rope> rope{};
  std::optional<RelativeBias> relative_bias{};
  std::optional<Disentangled> disentangled{};
  // Normalisation of each head's queries and keys before the rotation (Qwen3), by name relative to the layer.
  std::string q_norm{};
  std::string k_norm{};
  Norm qk_norm{};

  std::int64_t kv_heads_or_heads() const { return kv_heads == 0 ? heads : kv_heads; }
};

// The three attention nodes share the attributes.
struct SelfAttention : Attention {};
// Keys and values of the encoder's output, once per request: [S, D] -> state.
struct CrossKv : Attention {};
struct CrossAttention : Attention {};

// y = down(act(up(x))), or down(act(gate(x)) * up(x)) with a gate (arXiv:2002.05202). Names are relative to
// the layer.
struct FeedForward {
  std::int64_t hidden = 0;
  std::string up = "fc1";
  std::string down = "fc2";
  std::string gate{};     // empty: no gate
  std::string gate_up{};  // one fused tensor, gate rows first; empty: separate
  Act act = Act::gelu;
  bool bias = true;
  bool transposed = false;
};

// y = a + b, same shape.
struct Add {};

// y = act(x), each element.
struct Activation {
  Act act = Act::none;
};

// Rows picked from [T, D]: the rows that sample [R, D], or the first row of every sequence [B, D].
struct GatherRows {
  enum Which : std::uint8_t { sampled, first };
  Which which = sampled;
};

// The mean of the rows of every sequence: [T, D] -> [B, D].
struct MeanRows {};

// One column: [*, D] -> [*].
struct Column {
  std::int64_t index = 0;
};

// Convolution along each sequence, zeros beyond its ends (odd kernel): [T, D] -> [T, out].
struct Convolution {
  std::int64_t out = 0;
  std::int64_t kernel = 3;
};

using Op = std::variant<Embedding, Sinusoid, Norm, Linear, SelfAttention, CrossKv, CrossAttention,
                        FeedForward, Add, Activation, GatherRows, MeanRows, Column, Convolution>;

}  // namespace attend
