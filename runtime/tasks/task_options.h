// What a task knows of its checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attend/task.h"
#include "runtime/tasks/sentence_embedding.h"

namespace attend {

// Facts of a checkpoint, from config.json and the files of sentence-transformers.
struct TaskConfig {
  // The tasks this checkpoint has the head for; make_task() refuses others.
  std::vector<std::string> tasks;
  // id2label, by id. Empty, or an empty name: LABEL_0, LABEL_1, ... as transformers does.
  std::vector<std::string> labels;
  // "regression", "single_label_classification", "multi_label_classification" or empty.
  std::string problem_type;
  // `activation_fn` of config.json's "sentence_transformers" section, or
  // sbert_ce_default_activation_function: a class path of torch ("torch.nn.modules.linear.Identity"). Empty:
  // sigmoid for one label, else identity.
  std::string cross_encoder_activation;
  // Positions the model has; 0: no limit.
  std::int32_t max_input_tokens = 0;
  // modules.json and the folders that it names; mean pooling unless there is one.
  SentenceEmbeddingConfig sentence_embedding;
};

}  // namespace attend
