#include "loaders/models/encoder_head.h"

#include <algorithm>
#include <array>

namespace attend {
namespace {

struct NamedHead {
  std::string_view name;
  HeadKind kind;
};

constexpr auto kHeads = std::to_array<NamedHead>({
    {"ForSequenceClassification", HeadKind::sequence},
    {"ForTokenClassification", HeadKind::token},
    {"ForQuestionAnswering", HeadKind::question},
    {"ForMaskedLM", HeadKind::mask},
    {"Model", HeadKind::base},
});

}  // namespace

std::span<const std::string_view> head_names() {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kHeads.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kHeads[i].name;
    return names;
  }();
  return kNames;
}

EncoderHead read_encoder_head(const ConfigReader& config) {
  EncoderHead head;
  const std::vector<std::string> names = config.optional_strings("architectures");
  for (const NamedHead& known : kHeads) {
    if (names.empty() || !names.front().ends_with(known.name)) continue;
    head.kind = known.kind;
    head.name = known.name;
    break;
  }
  head.labels = config.optional_labels("id2label");
  const std::int64_t count = static_cast<std::int64_t>(head.labels.size());
  head.num_labels =
      count > 0 ? count : config.optional_int({"num_labels", "_num_labels"}, 0, IntRange{0, 1 << 24});
  if (config.has("problem_type")) {
    head.problem_type = config.required_choice(
        "problem_type", {"regression", "single_label_classification", "multi_label_classification"});
  }
  // Of sentence-transformers' CrossEncoder; the second is the older spelling.
  const auto own = config.optional_object("sentence_transformers");
  const auto activation = own ? own->optional_string("activation_fn") : std::nullopt;
  head.cross_encoder_activation =
      activation ? *activation : config.optional_string("sbert_ce_default_activation_function").value_or("");
  head.tied = config.optional_bool("tie_word_embeddings", true);
  return head;
}

ModelDef encoder_model(const EncoderHead& head, std::int64_t vocab, std::int64_t positions,
                       std::int64_t token_types) {
  ModelDef m;
  m.family = Family::encoder;
  m.head = head.name;
  m.labels = head.labels;
  m.problem_type = head.problem_type;
  m.cross_encoder_activation = head.cross_encoder_activation;
  m.vocab_size = vocab;
  m.max_positions = positions;
  m.token_types = token_types;
  return m;
}

std::int64_t label_count(const EncoderHead& head, Checkpoint& checkpoint, const std::string& tensor) {
  if (head.num_labels > 0) return head.num_labels;
  constexpr std::int64_t kDefault = 2;  // of transformers
  const TensorInfo* stored = checkpoint.use(tensor);
  return stored == nullptr || stored->shape.rank() != 2 ? kDefault : stored->shape[0];
}

void add_classifier(GraphBuilder& g, Checkpoint& checkpoint, const EncoderHead& head, Value x,
                    const std::string& name, bool bias) {
  const std::int64_t labels = label_count(head, checkpoint, name + ".weight");
  g.output("logits", g.linear(name, x, {.out = labels, .bias = bias}));
}

void add_answer_spans(GraphBuilder& g, Value x, const std::string& name, bool bias) {
  const Value both = g.linear(name, x, {.out = 2, .bias = bias});  // [T, 2]
  g.output("start_logits", g.column(name + ".start", both, 0));
  g.output("end_logits", g.column(name + ".end", both, 1));
}

void tie_masked_lm(Checkpoint& checkpoint, const EncoderHead& head, const MaskedLm& lm) {
  if (!head.is(HeadKind::mask)) return;
  if (head.tied) checkpoint.tie({lm.embeddings + ".weight", lm.decoder + ".weight"});
  if (!lm.bias.empty()) checkpoint.tie({lm.decoder + ".bias", lm.bias});
}

void add_masked_lm(GraphBuilder& g, Value x, const MaskedLm& lm) {
  Value y = g.linear(lm.dense, g.sampled_rows(x), {.out = lm.width, .bias = lm.dense_bias});  // [R, width]
  y = g.activation(lm.act_name, y, lm.act);
  y = g.norm(lm.norm, y, lm.norm_attributes);
  g.output("logits", g.linear(lm.decoder, y,
                              {.out = lm.vocab,
                               .bias = !lm.bias.empty(),
                               .bias_tensor = lm.bias.empty() ? "" : lm.decoder + ".bias"}));  // [R, V]
}

Value pooled_first_row(GraphBuilder& g, Value x, const std::string& dense, Act act) {
  const Value y = g.linear(dense, g.first_rows(x), {.out = x.width(), .bias = true});
  return g.activation(dense + ".activation", y, act);
}

void add_head(GraphBuilder& g, GraphBuilder& base, Checkpoint& checkpoint, const EncoderHead& head, Value x,
              const HeadModules& modules) {
  const auto pooled = [&] { return pooled_first_row(base, x, modules.pooler, Act::tanh); };
  switch (head.kind) {
    case HeadKind::sequence:
      add_classifier(g, checkpoint, head,
                     modules.dense.empty() ? pooled() : pooled_first_row(g, x, modules.dense, modules.act),
                     modules.classifier);
      break;
    case HeadKind::token: add_classifier(g, checkpoint, head, x); break;
    case HeadKind::question: add_answer_spans(g, x); break;
    case HeadKind::mask: add_masked_lm(g, x, modules.lm); break;
    case HeadKind::base:
      g.output("last_hidden_state", x);
      if (!modules.pooler.empty() && checkpoint.has(modules.pooler + ".weight"))
        g.output("pooler_output", pooled());
      break;
  }
  // Published with heads that do not use it.
  if (!modules.pooler.empty()) checkpoint.ignore({"*" + modules.pooler + ".*"});
}

float read_eps(const ConfigReader& config, const ConfigKey& key, double fallback) {
  return static_cast<float>(
      config.optional_real(key, fallback, RealRange{.min = 0, .max = 1, .above_min = true}));
}

}  // namespace attend
