// What a loader hands to the runtime: the graphs of a checkpoint and the facts needed to run them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "attend/generation_config.h"
#include "attend/tokenizer.h"
#include "engine/graph/graph.h"
#include "engine/model/checkpoint.h"
#include "engine/model/embedding_modules.h"

namespace attend {

enum class Family : std::uint8_t { encoder, decoder, encoder_decoder };

struct ModelDef {
  std::string architecture;  // "MarianMTModel"
  std::string model_type;    // "marian"
  Family family = Family::encoder_decoder;
  std::vector<std::string> tasks;         // Hugging Face names; the default first
  std::int64_t vocab_size = 0;            // ids that may be fed to the first graph
  std::int64_t target_vocab_size = 0;     // ids that may be generated
  std::int64_t max_positions = 0;         // longest sequence of the first graph; 0: no limit
  std::int64_t max_target_positions = 0;  // longest generated sequence; 0: no limit
  // A sequence that outgrows this length is computed anew from its beginning, because the rotations of all
  // its keys change (Phi-3's LongRoPE); 0: never.
  std::int64_t recompute_beyond = 0;
  std::int64_t token_types = 0;     // segment ids of the first graph; 0: it reads none
  std::string head;                 // of encoders: the ending of the class name, "ForMaskedLM"
  std::vector<std::string> labels;  // id2label, in the order of the ids
  std::string problem_type;         // of classification heads: as config.json says, or empty
  // Of base models: what makes a sentence's embedding.
  SentenceEmbeddingConfig sentence_embedding;
  // Of cross-encoders: what is applied to the score, a class path of torch; empty: not said.
  std::string cross_encoder_activation;

  // Matrices are stored in 8 bits (engine/model/quantized_weights.h): computed with so, unless another
  // precision is asked for.
  bool quantized = false;

  // "encoder" and/or "decoder"; an encoder graph writes cross states, a decoder graph reads them.
  std::map<std::string, Graph> graphs;
  std::vector<StateSpec> states;
  GenerationConfig generation;

  const Graph* graph(const std::string& name) const {
    const auto found = graphs.find(name);
    return found == graphs.end() ? nullptr : &found->second;
  }
};

// The names of all tensors that a node of a graph reads.
std::set<std::string> used_tensors(const ModelDef& def);

}  // namespace attend
