// DeBERTa v2 and v3: He et al. 2020 (arXiv:2006.03654), 2021 (arXiv:2111.09543). Scores of attention have
// terms for the content of a token and for its distance, from both sides.
//
// T packed tokens, B sequences, D hidden size, R rows whose logits are wanted.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "loaders/files/json.h"
#include "loaders/models/bert_encoder.h"

namespace attend {
namespace {

constexpr BertDefaults kDefaults{.types = 0, .eps = 1e-7};

struct DebertaConfig {
  BertConfig base;
  std::int64_t conv_kernel;
  Act conv_act, pooler_act;
  bool biased_input, legacy, relative;
  Disentangled positions;
  float scale;  // of scores

  explicit DebertaConfig(const ConfigReader& c) : base(c, kDefaults) {
    biased_input = c.optional_bool("position_biased_input", true);
    legacy = c.optional_bool("legacy", true);
    relative = c.optional_bool("relative_attention", false);
    conv_kernel = c.optional_int("conv_kernel_size", 0, IntRange{0, 1024});
    if (conv_kernel > 0 && conv_kernel % 2 == 0) {
      c.refuse(
          "CFG_VALUE", "conv_kernel_size",
          "expected an odd number (an even one shortens the text), found " + std::to_string(conv_kernel));
    }
    c.refuse_unless("conv_groups", std::int64_t{1});
    conv_act = read_activation(c, "conv_act", "tanh");
    pooler_act = read_activation(c, "pooler_hidden_act", "gelu");
    c.refuse_unless("pooler_hidden_size", base.width);
    c.refuse_unless("attention_head_size", base.width / base.heads);
    read_positions(c);
    c.ignore({"pooler_dropout", "cls_dropout", "pooling"});
  }

  // Whether scores have terms of the distance at all.
  bool disentangled() const {
    return relative && (positions.content_to_position || positions.position_to_content);
  }

  void read_positions(const ConfigReader& c) {
    const IntRange any{-1, kPositionsRange.max};
    std::int64_t distance = c.optional_int("max_relative_positions", -1, any);
    if (distance < 1) distance = base.positions;
    const std::int64_t buckets = std::max<std::int64_t>(c.optional_int("position_buckets", -1, any), 0);
    if (relative && buckets > 0 && (buckets == 1 || distance - 1 == buckets / 2)) {
      c.refuse("CFG_VALUE", "position_buckets",
               "expected at least 2 and not twice the largest distance, " + std::to_string(distance - 1) +
                   " (there are no logarithms to put between them), found " + std::to_string(buckets));
    }
    const bool shared = c.optional_bool("share_att_key", false);
    const bool normed = contains(parts(c.optional_string("norm_rel_ebd").value_or("none")), "layer_norm");
    const std::vector<std::string> kinds = position_kinds(c);
    positions = {.embeddings = "deberta.encoder.rel_embeddings.weight",
                 .norm = normed ? "deberta.encoder.LayerNorm" : "",
                 .norm_eps = base.norm.eps,
                 .span = buckets > 0 ? buckets : distance,
                 .buckets = buckets,
                 .max_distance = distance,
                 .content_to_position = contains(kinds, "c2p"),
                 .position_to_content = contains(kinds, "p2c")};
    if (!shared && positions.content_to_position) positions.pos_key = "attention.self.pos_key_proj";
    if (!shared && positions.position_to_content) positions.pos_query = "attention.self.pos_query_proj";
    const int terms = 1 + (positions.content_to_position ? 1 : 0) + (positions.position_to_content ? 1 : 0);
    scale = 1.0F / std::sqrt(static_cast<float>(base.width / base.heads * terms));
  }

  // A list, or in older files "p2c|c2p"; transformers passes over what it does not know.
  static std::vector<std::string> position_kinds(const ConfigReader& c) {
    const JsonValue* value = c.find("pos_att_type");
    const std::vector<std::string> kinds = value != nullptr && value->is_string()
                                               ? parts(std::string(*value->to_string()))
                                               : c.optional_strings("pos_att_type");
    for (const std::string& kind : kinds) {
      if (kind != "c2p" && kind != "p2c" && kind != "none" && !kind.empty())
        c.refuse("CFG_VALUE", "pos_att_type", "expected c2p, p2c or none, found " + kind);
    }
    return kinds;
  }

  // "A | b" as {"a", "b"}
  static std::vector<std::string> parts(const std::string& text) {
    std::vector<std::string> all(1);
    for (const unsigned char letter : text) {
      if (letter == '|')
        all.emplace_back();
      else if (letter != ' ')
        all.back() += static_cast<char>(std::tolower(letter));
    }
    return all;
  }
  static bool contains(const std::vector<std::string>& all, const char* wanted) {
    return std::ranges::find(all, wanted) != all.end();
  }
};

// act(conv(x)) beside the first layer's output (DeBERTa-v2 alone).
Value convolved(GraphBuilder& g, Value x, Value first_layer, const DebertaConfig& c) {
  GraphBuilder conv = g.at("encoder.conv");
  const Value y = conv.convolution("conv", x, {.out = c.base.width, .kernel = c.conv_kernel});
  return conv.norm("LayerNorm", first_layer + conv.activation("act", y, c.conv_act), c.base.norm);
}

Value embeddings(GraphBuilder& g, const DebertaConfig& c) {
  const std::int64_t dim = c.base.embedding_width;
  GraphBuilder e = g.at("embeddings");
  Value x = e.embedding("word_embeddings", e.tokens(), {.rows = c.base.vocab, .dim = dim});
  if (c.biased_input)
    x = x + e.embedding("position_embeddings", e.positions(), {.rows = c.base.positions, .dim = dim});
  if (c.base.types > 0)
    x = x + e.embedding("token_type_embeddings", e.token_types(), {.rows = c.base.types, .dim = dim});
  if (dim != c.base.width) x = e.linear("embed_proj", x, {.out = c.base.width});
  return e.norm("LayerNorm", x, c.base.norm);
}

MaskedLm masked_lm(const DebertaConfig& c) {
  const std::string root = c.legacy ? "cls.predictions" : "lm_predictions.lm_head";
  const std::string transform = c.legacy ? root + ".transform" : root;
  return {.dense = transform + ".dense",
          .act_name = transform + ".transform_act_fn",
          .norm = transform + ".LayerNorm",
          .decoder = root + ".decoder",
          .bias = root + ".bias",
          .embeddings = "deberta.embeddings.word_embeddings",
          .act = c.base.act,
          .norm_attributes = c.base.norm,
          .width = c.base.embedding_width,
          .vocab = c.base.vocab};
}

}  // namespace

ModelDef build_deberta_v2(const ConfigReader& config, Checkpoint& ckpt) {
  const DebertaConfig c(config);
  EncoderHead head = read_encoder_head(config);
  if (!c.legacy) head.tied = true;  // the newer head reads the embeddings themselves
  config.finish();

  expect_bert_spellings(ckpt, "deberta");
  ckpt.ignore({"cls.*", "lm_predictions.*", "mask_predictions.*"});  // of pre-training
  // Stored by some and not used.
  if (!c.biased_input) ckpt.ignore({"*embeddings.position_embeddings.weight"});
  if (!c.disentangled()) ckpt.ignore({"*encoder.rel_embeddings.weight", "*encoder.LayerNorm.*"});
  const MaskedLm lm = masked_lm(c);
  tie_masked_lm(ckpt, head, lm);

  ModelDef m = encoder_model(head, c.base.vocab, c.biased_input ? c.base.positions : 0, c.base.types);
  GraphBuilder g(m, ckpt, "encoder");
  GraphBuilder deberta = head.is(HeadKind::base) ? g.at("") : g.at("deberta");
  Value x = embeddings(deberta, c);  // [T, D]

  Attention attention{.proj = {.q = "attention.self.query_proj",
                               .k = "attention.self.key_proj",
                               .v = "attention.self.value_proj",
                               .out = "attention.output.dense"},
                      .heads = c.base.heads,
                      .scale = c.scale};
  if (c.disentangled()) attention.disentangled = c.positions;
  const FeedForward ffn{
      .hidden = c.base.ffn, .up = "intermediate.dense", .down = "output.dense", .act = c.base.act};
  const Norm& norm = c.base.norm;
  const Value embedded = x;
  std::int64_t layer = 0;
  for (GraphBuilder& l : deberta.layers("encoder.layer", c.base.layers)) {
    x = l.norm("attention.output.LayerNorm", x + l.self_attention("attention.output.dense", x, attention),
               norm);
    x = l.norm("output.LayerNorm", x + l.feed_forward("output.dense", x, ffn), norm);  // [T, D]
    if (layer++ == 0 && c.conv_kernel > 0) x = convolved(deberta, embedded, x, c);
  }

  add_head(g, deberta, ckpt, head, x, {.dense = "pooler.dense", .act = c.pooler_act, .lm = lm});
  ckpt.ignore({"pooler.dense.*"});  // heads of tokens do not use it
  return m;
}

}  // namespace attend
