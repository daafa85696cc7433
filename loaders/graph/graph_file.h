// A model's graph as a file, graph.json. A directory with graph.json, weights and (for text) tokenizer files
// runs without any definition under loaders/models/; where config.json is there as well, graph.json counts.
//
// {
//   "format": "attend-graph", "version": 1,
//   "architecture": "MyModel",            any name; "model_type" likewise
//   "family": "decoder",                  "encoder", "decoder" or "encoder_decoder": which graphs there are
//   "tasks": ["text-generation"],         Hugging Face's names, of models that generate; encoders have "head"
//   "head": "ForSequenceClassification",  of encoders, also "Model", "ForTokenClassification",
//                                         "ForQuestionAnswering", "ForMaskedLM"; with "labels",
//                                         "problem_type"
//   "vocab_size": 64,                     ids that the first graph takes; "target_vocab_size": that are
//   generated "max_positions": 64,                  longest input; "max_target_positions": longest output
//   "generation": {"eos_token_id": [0]},  keys of generation_config.json, which counts where it exists
//   "ignored_tensors": ["old.bias"],      stored tensors that no node uses; any other unused one is refused
//   "quantization_config": {...},         of matrices stored in 8 bits; see loaders/files/quantization.h
//   "states": [{"name": "layers.0.attn", "kind": "self", "kv_heads": 2, "head_dim": 8}],
//   "graphs": [{
//     "name": "decoder",
//     "nodes": [
//       {"name": "embed", "op": "embedding", "inputs": ["tokens"], "rows": 64, "dim": 32,
//        "weights": {"weight": "embed.weight"}},
//       {"name": "layers.0.attn", "op": "self_attention", "inputs": ["embed"], "heads": 4, "kv_heads": 2,
//        "mask": "causal", "state": "layers.0.attn",
//        "weights": {"q.weight": {"tensor": "layers.0.qkv", "first_row": 0, "rows": 32}, ...}}, ...],
//     "outputs": {"logits": "head"}}]
// }
//
// Nodes stand in an order in which they can run. A value is called as the node that gives it, or as its
// "output" where names repeat; "tokens", "positions" and "token_types" are the inputs. Operations are the
// structs of engine/graph/attributes.h, their attributes those of engine/graph/fields.h, their weights the
// roles of weight_slots() (engine/graph/check.h): a tensor's name, or a slice of its rows; a matrix that is
// stored [in, out] says "transposed": true. Shapes follow from the nodes and are checked.
//
// Reading is strict: an unknown key, operation or attribute is refused with its place in the file
// ("graph.json: graphs[0].nodes[3].heads"). Kinds: GRAPH_FIELD_*, GRAPH_KEY_UNKNOWN, GRAPH_VERSION,
// GRAPH_VALUE, GRAPH_NAME, GRAPH_SHAPE, GRAPH_SIZE, GRAPH_OP, GRAPH_STATE, GRAPH_OUTPUT, GRAPH_HEAD,
// GRAPH_FAMILY, GRAPH_TASK, and MODEL_TENSOR_* for weights, which are all reported at once.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/model/checkpoint.h"
#include "engine/model/model_def.h"

namespace attend {

inline constexpr const char* kGraphFile = "graph.json";

bool has_graph_file(const std::filesystem::path& directory);
// Reads `directory`/graph.json; the weights are looked up in `checkpoint`, whose finish() is the caller's.
ModelDef read_graph_file(const std::filesystem::path& directory, Checkpoint& checkpoint);
// The same from a text; `where` names it in messages, generation_config.json is that of `directory`.
ModelDef read_graph(std::string_view text, std::string where, const std::filesystem::path& directory,
                    Checkpoint& checkpoint);

// The text of graph.json for a model and the store that it was built on. Floats are exact.
std::string write_graph(const ModelDef& model, const WeightStore& store);

// Graphviz: a cluster for each graph, an edge for each value.
std::string write_dot(const ModelDef& model);

}  // namespace attend
