// What a model directory holds, from headers and JSON alone: no weights are read, nothing is packed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "attend/error.h"

namespace attend {

// Tensors whose names differ in layer numbers only, and in the last part: "model.layers.*.self_attn.q_proj".
struct TensorGroup {
  std::string name;
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;          // in the file
  std::vector<std::string> dtypes;  // as stored
};

struct MemoryPlan {
  std::uint64_t weights_bytes = 0;  // in memory, before what packing rounds up
  std::uint64_t weights_file_bytes = 0;
  std::uint64_t cache_bytes_per_token = 0;        // of the prompt and what is generated
  std::uint64_t cross_cache_bytes_per_token = 0;  // of the source, for models with an encoder and a decoder
  // Values between nodes, when a step has so many tokens.
  std::uint64_t arena_bytes = 0;
  std::int64_t arena_tokens = 0;
};

struct Inspection {
  // Where the model is not supported, only what its files say; weights_bytes and load_ms are 0.
  ModelInfo info;
  bool supported = false;
  std::vector<Issue> problems;         // why not
  bool graph_file = false;             // the definition is the directory's graph.json
  std::int64_t max_output_tokens = 0;  // of models that generate; 0: no limit
  std::vector<TensorGroup> tensors;
  MemoryPlan memory;
  std::vector<std::string> tokenizer;  // its components; empty without one
};

// Throws Error when `directory` is no directory; what else is wrong is in `problems`.
Inspection inspect_model(const std::filesystem::path& directory, const LoadOptions& options = {});

// The graph as the text of a graph.json, which runs in place of config.json's architecture: the same bits.
// Throws Error when the model is not supported.
std::string model_graph_json(const std::filesystem::path& directory);
// The same for Graphviz: dot -Tsvg.
std::string model_graph_dot(const std::filesystem::path& directory);

}  // namespace attend
