// ModernBERT: Warner et al. 2024 (arXiv:2412.13663). Pre-norm, rotary positions, gated feed-forward, layers
// that attend to everything between layers that attend to a window.
//
// T packed tokens, B sequences, D hidden size, R rows whose logits are wanted.
#include <cmath>

#include "loaders/models/bert_encoder.h"

namespace attend {
namespace {

struct ModernBertConfig {
  std::int64_t width, heads, head_dim, layers, ffn, vocab, positions, window;
  std::vector<bool> local;  // by layer
  float global_theta, local_theta;
  Act act, classifier_act;
  Norm norm;
  bool attention_bias, mlp_bias, decoder_bias, classifier_bias, mean_pooling;

  explicit ModernBertConfig(const ConfigReader& c) {
    const HeadSizes sizes = c.head_sizes({.width = "hidden_size", .heads = "num_attention_heads"});
    width = sizes.width;
    heads = sizes.heads;
    head_dim = sizes.head_dim;
    layers = c.required_int("num_hidden_layers", kLayersRange);
    ffn = c.required_int("intermediate_size", kWidthRange);
    vocab = c.required_int("vocab_size", kVocabRange);
    positions = c.optional_int("max_position_embeddings", 8192, kPositionsRange);
    act = read_activation(c, "hidden_activation", "gelu");
    classifier_act = read_activation(c, "classifier_activation", "gelu");
    norm = {.kind = Norm::layer,
            .eps = read_eps(c, "norm_eps", 1e-5),
            .bias = c.optional_bool("norm_bias", false)};
    attention_bias = c.optional_bool("attention_bias", false);
    mlp_bias = c.optional_bool("mlp_bias", false);
    decoder_bias = c.optional_bool("decoder_bias", true);
    classifier_bias = c.optional_bool("classifier_bias", false);
    mean_pooling = c.optional_choice("classifier_pooling", "cls", {"cls", "mean"}) == "mean";
    window = c.optional_int("local_attention", 128, kPositionsRange);
    read_layers(c);
    global_theta = theta(c, "full_attention", "global_rope_theta", 160000.0);
    local_theta = theta(c, "sliding_attention", "local_rope_theta", 10000.0);
    c.refuse_unless("position_embedding_type", "absolute");  // a key that is written and never read
    c.ignore({"layer_norm_eps", "embedding_dropout", "mlp_dropout", "deterministic_flash_attn",
              "sparse_prediction", "sparse_pred_ignore_index", "initializer_cutoff_factor",
              "reference_compile", "repad_logits_with_grad", "cls_token_id", "sep_token_id",
              "global_attn_every_n_layers", "gradient_checkpointing"});
  }

  // layer_types wins over the older global_attn_every_n_layers.
  void read_layers(const ConfigReader& c) {
    const std::int64_t every = c.optional_int("global_attn_every_n_layers", 3, kLayersRange);
    const std::vector<std::string> types = c.optional_strings("layer_types");
    if (!types.empty() && static_cast<std::int64_t>(types.size()) != layers) {
      c.refuse("CFG_FIELD_RANGE", "layer_types",
               "expected one for each of " + std::to_string(layers) + " layers, found " +
                   std::to_string(types.size()));
    }
    for (const std::string& type : types) {
      if (type != "full_attention" && type != "sliding_attention")
        c.refuse("CFG_VALUE", "layer_types", "expected full_attention or sliding_attention, found " + type);
      local.push_back(type == "sliding_attention");
    }
    for (std::int64_t i = 0; types.empty() && i < layers; ++i) local.push_back(i % every != 0);
    local.resize(static_cast<std::size_t>(layers));
  }

  static float theta(const ConfigReader& c, const char* type, const char* older, double fallback) {
    const RealRange range{.min = 0, .above_min = true};
    const double base = c.optional_real(older, fallback, range);
    const auto all = c.optional_object("rope_parameters");
    const auto own = all ? all->optional_object(type) : std::nullopt;
    if (!own) return static_cast<float>(base);
    own->refuse_unless("rope_type", "default");
    return static_cast<float>(own->optional_real("rope_theta", base, range));
  }

  Rope rope(float base) const {
    Rope rope{.dims = head_dim, .theta = base};
    for (std::int64_t i = 0; i < head_dim; i += 2)
      rope.inv_freq.push_back(1.0F / std::pow(base, static_cast<float>(i) / static_cast<float>(head_dim)));
    return rope;
  }

  Attention attention(bool is_local) const {
    return {
        .proj = {.out = "attn.Wo", .qkv = "attn.Wqkv", .bias = attention_bias, .out_bias = attention_bias},
        .heads = heads,
        .window = is_local ? window : 0,
        .rope = rope(is_local ? local_theta : global_theta)};
  }
};

// act(dense(x)), normalised: what comes before every classifier.
Value prediction_head(GraphBuilder& g, Value x, const ModernBertConfig& c) {
  x = g.linear("head.dense", x, {.out = c.width, .bias = c.classifier_bias});
  return g.norm("head.norm", g.activation("head.act", x, c.classifier_act), c.norm);
}

}  // namespace

ModelDef build_modernbert(const ConfigReader& config, Checkpoint& ckpt) {
  const ModernBertConfig c(config);
  const EncoderHead head = read_encoder_head(config);
  config.finish();

  ckpt.optional_prefix("model.");
  const MaskedLm lm{.dense = "head.dense",
                    .act_name = "head.act",
                    .norm = "head.norm",
                    .decoder = "decoder",
                    .bias = c.decoder_bias ? "decoder.bias" : "",
                    .embeddings = "model.embeddings.tok_embeddings",
                    .act = c.classifier_act,
                    .norm_attributes = c.norm,
                    .width = c.width,
                    .vocab = c.vocab,
                    .dense_bias = c.classifier_bias};
  tie_masked_lm(ckpt, head, lm);
  if (head.is(HeadKind::base)) ckpt.ignore({"head.*", "decoder.*"});  // of pre-training

  ModelDef m = encoder_model(head, c.vocab, c.positions, 0);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder model = head.is(HeadKind::base) ? g.at("") : g.at("model");
  Value x = model.embedding("embeddings.tok_embeddings", g.tokens(), {.rows = c.vocab, .dim = c.width});
  x = model.norm("embeddings.norm", x, c.norm);  // [T, D]
  const FeedForward mlp{
      .hidden = c.ffn, .down = "mlp.Wo", .gate_up = "mlp.Wi", .act = c.act, .bias = c.mlp_bias};
  std::size_t layer = 0;
  for (GraphBuilder& l : model.layers("layers", c.layers)) {
    // The embeddings are normalised already.
    const Value normed = layer == 0 ? x : l.norm("attn_norm", x, c.norm);
    x = x + l.self_attention("attn", normed, c.attention(c.local[layer]));  // [T, D]
    x = x + l.feed_forward("mlp", l.norm("mlp_norm", x, c.norm), mlp);      // [T, D]
    ++layer;
  }
  x = model.norm("final_norm", x, c.norm);  // [T, D]

  switch (head.kind) {
    case HeadKind::sequence:
      add_classifier(g, ckpt, head, prediction_head(g, c.mean_pooling ? g.mean_rows(x) : g.first_rows(x), c));
      break;
    case HeadKind::token: add_classifier(g, ckpt, head, prediction_head(g, x, c)); break;
    case HeadKind::question: add_answer_spans(g, prediction_head(g, x, c), "classifier"); break;
    case HeadKind::mask: add_masked_lm(g, x, lm); break;
    case HeadKind::base: g.output("last_hidden_state", x); break;
  }
  return m;
}

}  // namespace attend
