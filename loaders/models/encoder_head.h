// The heads that all encoders have, by the endings of transformers' class names.
//
// T packed tokens, B sequences, D hidden size, R rows whose logits are wanted, C labels, V vocabulary.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/models/architecture.h"

namespace attend {

enum class HeadKind : std::uint8_t { base, sequence, token, question, mask };

struct EncoderHead {
  HeadKind kind = HeadKind::base;
  std::string name;  // "ForSequenceClassification"
  std::vector<std::string> labels;
  std::int64_t num_labels = 0;  // 0: not in the config
  std::string problem_type;
  std::string cross_encoder_activation;
  bool tied = true;  // the embeddings and the vocabulary's matrix of ForMaskedLM

  bool is(HeadKind other) const { return kind == other; }
};

// "ForSequenceClassification", "Model", ...
std::span<const std::string_view> head_names();
// Of the architecture that the configuration names, with its labels.
EncoderHead read_encoder_head(const ConfigReader& config);

// An encoder's definition without its graph. `token_types`: 0 when there are none.
ModelDef encoder_model(const EncoderHead& head, std::int64_t vocab, std::int64_t positions,
                       std::int64_t token_types);

// C of the classifier whose weight is `tensor`: what the configuration says, else what is stored.
std::int64_t label_count(const EncoderHead& head, Checkpoint& checkpoint, const std::string& tensor);

// logits: [T, C] or [B, C]
void add_classifier(GraphBuilder& g, Checkpoint& checkpoint, const EncoderHead& head, Value x,
                    const std::string& name = "classifier", bool bias = true);
// start_logits and end_logits: each [T]
void add_answer_spans(GraphBuilder& g, Value x, const std::string& name = "qa_outputs", bool bias = true);

// A masked language model's head: act(dense(x)), norm, and the vocabulary's matrix, which is mostly that of
// the embeddings.
struct MaskedLm {
  std::string dense, act_name, norm, decoder;  // names of the modules
  std::string bias{};                          // full name, also stored as DECODER.bias; empty: none
  std::string embeddings{};                    // full name of the table that may be tied, without ".weight"
  Act act = Act::gelu;
  Norm norm_attributes{};
  std::int64_t width = 0;  // of dense
  std::int64_t vocab = 0;
  bool dense_bias = true;
};
// logits: [R, V]. tie_masked_lm() must come before the embeddings are built.
void tie_masked_lm(Checkpoint& checkpoint, const EncoderHead& head, const MaskedLm& lm);
void add_masked_lm(GraphBuilder& g, Value x, const MaskedLm& lm);

// What follows the layers of most encoders, by the names of their modules.
struct HeadModules {
  std::string pooler{};  // in the base model; its value is the pooler_output of a base model that stores it
  // What ForSequenceClassification puts before its classifier; empty: the pooler.
  std::string dense{};
  Act act = Act::tanh;
  std::string classifier = "classifier";
  MaskedLm lm{};
};
// The outputs of the head on the hidden states x [T, D]. `base` is the builder of the base model, `g` that of
// the model with its head.
void add_head(GraphBuilder& g, GraphBuilder& base, Checkpoint& checkpoint, const EncoderHead& head, Value x,
              const HeadModules& modules);

// act(dense(first row)), as `NAME.dense` and `NAME.activation`: [B, D]
Value pooled_first_row(GraphBuilder& g, Value x, const std::string& dense, Act act);

float read_eps(const ConfigReader& config, const ConfigKey& key, double fallback);

}  // namespace attend
