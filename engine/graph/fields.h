// The attributes of nodes, states and models as tables of named fields: one line for each attribute, which
// serves the writer and the reader of graph files alike (loaders/graph/). Names of tensors and of projections
// are not here: they tell the builder where to look, and a built graph has its weights by role.
#pragma once

#include <array>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "attend/generation_config.h"
#include "engine/graph/attributes.h"
#include "engine/graph/graph.h"
#include "engine/model/model_def.h"

namespace attend {

// A member under its name in a graph file. Numbers lie in [min, max]; a field that is not `required` has its
// default when it is absent, and is left out when it has it.
template <typename Owner, typename T>
struct Field {
  const char* name;
  T Owner::*member;
  bool required = false;
  double min = 0;
  double max = std::numeric_limits<float>::max();
};

template <typename Owner, typename T>
constexpr Field<Owner, T> required(const char* name, T Owner::*member, double min = 0,
                                   double max = std::numeric_limits<float>::max()) {
  return {name, member, true, min, max};
}
template <typename Owner, typename T>
constexpr Field<Owner, T> optional(const char* name, T Owner::*member, double min = 0,
                                   double max = std::numeric_limits<float>::max()) {
  return {name, member, false, min, max};
}

// Bounds that keep every product of two sizes far from overflowing.
inline constexpr double kMostRows = 1 << 28;
inline constexpr double kMostWidth = 1 << 24;
inline constexpr double kLeastEps = 1e-30;  // zero would divide a row of zeros by zero
inline constexpr double kAnyReal = -std::numeric_limits<float>::max();

// Fields<T>::list is a tuple of Field; Names<E>::list the names of an enumeration's values, in their order.
template <typename T>
struct Fields;
template <typename E>
struct Names;

template <>
struct Names<Act> {
  static constexpr std::array list{"none", "relu", "gelu",    "gelu_tanh",
                                   "silu", "tanh", "sigmoid", "quick_gelu"};
};
template <>
struct Names<Norm::Kind> {
  static constexpr std::array list{"layer", "rms"};
};
template <>
struct Names<Mask> {
  static constexpr std::array list{"none", "causal"};
};
template <>
struct Names<GatherRows::Which> {
  static constexpr std::array list{"sampled", "first"};
};
template <>
struct Names<StateSpec::Kind> {
  static constexpr std::array list{"self", "cross"};
};
template <>
struct Names<Family> {
  static constexpr std::array list{"encoder", "decoder", "encoder_decoder"};
};

template <>
struct Fields<Embedding> {
  static constexpr auto list = std::tuple{
      required("rows", &Embedding::rows, 1, kMostRows), required("dim", &Embedding::dim, 1, kMostWidth),
      optional("scale", &Embedding::scale, kAnyReal), optional("offset", &Embedding::offset, 0, kMostRows)};
};
template <>
struct Fields<Sinusoid> {
  static constexpr auto list = std::tuple{required("rows", &Sinusoid::rows, 1, kMostRows),
                                          required("dim", &Sinusoid::dim, 1, kMostWidth)};
};
template <>
struct Fields<Norm> {
  static constexpr auto list =
      std::tuple{required("kind", &Norm::kind), required("eps", &Norm::eps, kLeastEps, 1),
                 optional("weight_offset", &Norm::weight_offset, kAnyReal)};
};
template <>
struct Fields<Linear> {
  static constexpr auto list =
      std::tuple{required("out", &Linear::out, 1, kMostWidth), optional("act", &Linear::act),
                 optional("softcap", &Linear::softcap), optional("scale", &Linear::scale, kAnyReal)};
};
template <>
struct Fields<Rope> {
  static constexpr auto list = std::tuple{required("dims", &Rope::dims, 2, kMostWidth),
                                          required("inv_freq", &Rope::inv_freq),
                                          optional("scale", &Rope::scale, kAnyReal),
                                          optional("interleaved", &Rope::interleaved),
                                          optional("dynamic_from", &Rope::dynamic_from, 0, kMostRows),
                                          optional("long_inv_freq", &Rope::long_inv_freq),
                                          optional("theta", &Rope::theta, 1),
                                          optional("factor", &Rope::factor)};
};
template <>
struct Fields<RelativeBias> {
  static constexpr auto list = std::tuple{required("buckets", &RelativeBias::buckets, 2, 1 << 20),
                                          required("max_distance", &RelativeBias::max_distance, 1, kMostRows),
                                          required("bidirectional", &RelativeBias::bidirectional)};
};
template <>
struct Fields<Disentangled> {
  static constexpr auto list =
      std::tuple{required("span", &Disentangled::span, 1, 1 << 20),
                 optional("norm_eps", &Disentangled::norm_eps, kLeastEps, 1),
                 optional("buckets", &Disentangled::buckets, 0, 1 << 20),
                 optional("max_distance", &Disentangled::max_distance, 0, kMostRows),
                 optional("content_to_position", &Disentangled::content_to_position),
                 optional("position_to_content", &Disentangled::position_to_content)};
};
template <>
struct Fields<Attention> {
  static constexpr auto list = std::tuple{required("heads", &Attention::heads, 1, 1 << 16),
                                          optional("kv_heads", &Attention::kv_heads, 0, 1 << 16),
                                          optional("head_dim", &Attention::head_dim, 0, 1 << 16),
                                          optional("scale", &Attention::scale, kAnyReal),
                                          optional("mask", &Attention::mask),
                                          optional("window", &Attention::window, 0, kMostRows),
                                          optional("softcap", &Attention::softcap),
                                          optional("rope", &Attention::rope),
                                          optional("relative_bias", &Attention::relative_bias),
                                          optional("disentangled", &Attention::disentangled),
                                          optional("qk_norm", &Attention::qk_norm)};
};
template <>
struct Fields<SelfAttention> : Fields<Attention> {};
template <>
struct Fields<CrossKv> : Fields<Attention> {};
template <>
struct Fields<CrossAttention> : Fields<Attention> {};
template <>
struct Fields<FeedForward> {
  static constexpr auto list =
      std::tuple{required("hidden", &FeedForward::hidden, 1, kMostWidth), required("act", &FeedForward::act)};
};
template <>
struct Fields<Add> {
  static constexpr auto list = std::tuple{};
};
template <>
struct Fields<Activation> {
  static constexpr auto list = std::tuple{required("act", &Activation::act)};
};
template <>
struct Fields<GatherRows> {
  static constexpr auto list = std::tuple{required("which", &GatherRows::which)};
};
template <>
struct Fields<MeanRows> {
  static constexpr auto list = std::tuple{};
};
template <>
struct Fields<Column> {
  static constexpr auto list = std::tuple{required("index", &Column::index, 0, kMostWidth)};
};
template <>
struct Fields<Convolution> {
  static constexpr auto list = std::tuple{required("out", &Convolution::out, 1, kMostWidth),
                                          required("kernel", &Convolution::kernel, 1, 1 << 16)};
};

template <>
struct Fields<StateSpec> {
  static constexpr auto list =
      std::tuple{required("name", &StateSpec::name), required("kind", &StateSpec::kind),
                 required("kv_heads", &StateSpec::kv_heads, 1, 1 << 16),
                 required("head_dim", &StateSpec::head_dim, 1, 1 << 16),
                 optional("window", &StateSpec::window, 0, kMostRows)};
};

template <>
struct Fields<ModelDef> {
  static constexpr auto list =
      std::tuple{required("architecture", &ModelDef::architecture),
                 optional("model_type", &ModelDef::model_type),
                 required("family", &ModelDef::family),
                 optional("tasks", &ModelDef::tasks),
                 optional("head", &ModelDef::head),
                 optional("labels", &ModelDef::labels),
                 optional("problem_type", &ModelDef::problem_type),
                 required("vocab_size", &ModelDef::vocab_size, 1, 1 << 24),
                 optional("target_vocab_size", &ModelDef::target_vocab_size, 0, 1 << 24),
                 optional("max_positions", &ModelDef::max_positions, 0, kMostRows),
                 optional("max_target_positions", &ModelDef::max_target_positions, 0, kMostRows),
                 optional("recompute_beyond", &ModelDef::recompute_beyond, 0, kMostRows),
                 optional("token_types", &ModelDef::token_types, 0, 1 << 24)};
};

// Under their names in generation_config.json, whose reader also reads them from a graph file.
template <>
struct Fields<GenerationConfig> {
  using G = GenerationConfig;
  static constexpr auto list =
      std::tuple{optional("max_new_tokens", &G::max_new_tokens),
                 optional("min_new_tokens", &G::min_new_tokens),
                 optional("max_length", &G::max_length),
                 optional("min_length", &G::min_length),
                 optional("stop_strings", &G::stop),
                 optional("do_sample", &G::do_sample),
                 optional("num_beams", &G::num_beams),
                 optional("num_return_sequences", &G::num_return_sequences),
                 optional("early_stopping", &G::early_stopping),
                 optional("length_penalty", &G::length_penalty),
                 optional("temperature", &G::temperature),
                 optional("top_k", &G::top_k),
                 optional("top_p", &G::top_p),
                 optional("min_p", &G::min_p),
                 optional("typical_p", &G::typical_p),
                 optional("repetition_penalty", &G::repetition_penalty),
                 optional("encoder_repetition_penalty", &G::encoder_repetition_penalty),
                 optional("no_repeat_ngram_size", &G::no_repeat_ngram_size),
                 optional("encoder_no_repeat_ngram_size", &G::encoder_no_repeat_ngram_size),
                 optional("bad_words_ids", &G::bad_words_ids),
                 optional("suppress_tokens", &G::suppress_tokens),
                 optional("begin_suppress_tokens", &G::begin_suppress_tokens),
                 optional("forced_bos_token_id", &G::forced_bos_token_id),
                 optional("forced_eos_token_id", &G::forced_eos_token_id),
                 optional("remove_invalid_values", &G::remove_invalid_values),
                 optional("renormalize_logits", &G::renormalize_logits),
                 optional("decoder_start_token_id", &G::decoder_start_token_id),
                 optional("bos_token_id", &G::bos_token_id),
                 optional("pad_token_id", &G::pad_token_id),
                 optional("eos_token_id", &G::eos_token_id)};
};

// Calls visit(field) for each field of T.
template <typename T, typename Visit>
constexpr void for_each_field(Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, Fields<T>::list);
}

}  // namespace attend
