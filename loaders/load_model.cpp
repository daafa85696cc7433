#include "loaders/load_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attend/error.h"
#include "engine/log.h"
#include "engine/model/quantized_weights.h"
#include "loaders/files/generation_config_reader.h"
#include "loaders/files/quantization.h"
#include "loaders/files/sentence_transformers.h"
#include "loaders/files/weights.h"
#include "loaders/graph/graph_file.h"
#include "loaders/models/architecture.h"
#include "loaders/tokenizers/load_tokenizer.h"
#include "loaders/tokenizers/tokenizer_pipeline.h"

namespace attend {
namespace {

// A text must not become ids that the model has no embedding for. Added tokens may lie beyond: some
// checkpoints name a padding token that they never use.
void check_tokenizer(const Tokenizer& tokenizer, std::int64_t rows, const std::filesystem::path& directory) {
  if (tokenizer.vocab_size() <= rows) return;
  const auto* pipeline = dynamic_cast<const TokenizerPipeline*>(&tokenizer);
  const std::int64_t own = pipeline != nullptr ? pipeline->model_vocab_size() : tokenizer.vocab_size();
  if (own > rows) {
    throw Error(
        "TOK_VOCAB_MISMATCH", directory.string(),
        fmt::format("the tokenizer has ids up to {}, the model's embedding has {} rows (vocab_size): one "
                    "of them belongs to another checkpoint",
                    own - 1, rows));
  }
  logger().warn(
      "{}: added tokens have ids up to {}, the model's embedding has {} rows: texts with them are refused",
      directory.string(), tokenizer.vocab_size() - 1, rows);
}

// What the definition left over, and 8-bit weights that are not as they should be.
void check_tensors(Checkpoint& checkpoint, const LoadedModel& model) {
  std::vector<Issue> issues = checkpoint.finish();
  if (model.def.quantized) {
    const std::vector<Issue> more = check_quantized(model.def, *model.weights);
    issues.insert(issues.end(), more.begin(), more.end());
  }
  if (!issues.empty()) throw Error(std::move(issues));
}

// A model that brings its own graph.
LoadedModel load_graph_model(const std::filesystem::path& directory) {
  LoadedModel model;
  model.weights = open_weights(directory);
  Checkpoint checkpoint(*model.weights);
  model.def = read_graph_file(directory, checkpoint);
  check_tensors(checkpoint, model);
  model.tokenizer_source = {.directory = directory};
  logger().info("{}: the graph is that of {}", directory.string(), kGraphFile);
  return model;
}

}  // namespace

std::shared_ptr<const Tokenizer> TokenizerSource::load() const {
  std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(directory);
  if (tokenizer != nullptr && embedding_rows > 0) check_tokenizer(*tokenizer, embedding_rows, directory);
  return tokenizer;
}

LoadedModel load_model(const std::filesystem::path& root) {
  LoadedModel model = load_definition(root);
  model.tokenizer = model.tokenizer_source.load();
  return model;
}

LoadedModel load_definition(const std::filesystem::path& root) {
  check_model_directory(root);
  if (has_graph_file(root)) return load_graph_model(root);
  const std::filesystem::path directory = root / transformer_folder(root);
  const ConfigReader config(directory);
  std::vector<std::string> supported;
  for (const Architecture& architecture : architectures()) supported.emplace_back(architecture.name);
  const std::string name = config.architecture(supported);
  const Architecture* architecture = find_architecture(name);
  if (architecture == nullptr) {
    if (!name.empty()) config.refuse_architecture(name, supported);
    config.finish();
  }

  // Before the weights: those of other methods have types that nothing here reads.
  const bool quantized = read_quantization(config);
  if (!config.issues().empty()) config.finish();
  LoadedModel model;
  model.weights = open_weights(directory);
  Checkpoint checkpoint(*model.weights);
  if (quantized) checkpoint.allow_quantized();
  // Ids that may be generated: encoder-decoder models can have a vocabulary per side.
  const std::int64_t vocab = config.optional_int(
      config.has("decoder_vocab_size") ? "decoder_vocab_size" : "vocab_size", kVocabRange.max, kVocabRange);
  const GenerationConfig generation = read_generation_config(directory, config, vocab);
  model.def = architecture->build(config, checkpoint);
  model.def.architecture = name;
  model.def.model_type = config.model_type();
  model.def.generation = generation;
  model.def.quantized = quantized;
  check_tensors(checkpoint, model);
  if (model.def.head == "Model") {
    if (auto embedding = read_sentence_embedding(root, directory)) model.def.sentence_embedding = *embedding;
  }
  model.tokenizer_source = {.directory = directory,
                            .embedding_rows = std::max(model.def.vocab_size, model.def.target_vocab_size)};
  return model;
}

}  // namespace attend
