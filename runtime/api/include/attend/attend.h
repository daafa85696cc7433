// The public API of attend: load a model, run it, or submit requests from many threads.
//
//   attend::Model model = attend::Model::load("opus-mt-en-de");
//   std::string german = model.run("Where is the station?").text();
//
// A Model is a cheap handle to one loaded, immutable model and its scheduler; every function may be called
// from several threads at once. Requests that are in flight together share batches; what a request returns
// never depends on what else runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/attention.h"
#include "attend/dtype.h"
#include "attend/error.h"
#include "attend/generation_config.h"
#include "attend/profile.h"
#include "attend/task.h"
#include "attend/task_value.h"
#include "attend/tensor.h"

namespace attend {

class Tokenizer;

struct LoadOptions {
  int threads = 0;                     // 0: the processors this process may use
  std::string dtype = "auto";          // auto | f32 | bf16 | int8
  std::string kv_dtype = "f32";        // of the cached keys and values: f32 | bf16 | int8
  std::uint64_t max_memory_bytes = 0;  // weights, cache and arena; 0: what the machine has free
  int max_batch_size = 64;             // requests that run at once
  bool check_tensors = false;          // refuse weights that hold NaN or infinity
  bool share_prefixes = true;          // keep the blocks of earlier prompts for later ones that begin alike
  // Called while weights are read and packed, with the fraction done in [0, 1].
  std::function<void(double)> progress{};
};

// What a checkpoint is.
struct ModelInfo {
  std::string architecture;        // "MarianMTModel", as config.json names it
  std::string model_type;          // "marian"
  std::string task;                // the default one, by its Hugging Face name: "translation"
  std::vector<std::string> tasks;  // every task this checkpoint can do
  std::string dtype;               // of the computation: "f32"
  std::string kv_dtype;            // of the cached keys and values; empty where none are kept
  std::string instruction_set;     // "AVX2"
  int threads = 1;
  std::int64_t parameters = 0;        // elements of all tensors, tied ones once
  std::int64_t max_input_tokens = 0;  // 0: no limit
  std::int64_t vocab_size = 0;
  std::uint64_t weights_bytes = 0;  // in memory, packed
  std::uint64_t weights_file_bytes = 0;
  std::uint64_t cache_bytes_per_token = 0;
  double load_ms = 0;
};

// A token as it is produced. `text` is the new piece of the decoded text; it may be empty while a character
// is incomplete. Beam search streams nothing before it is done.
struct TokenEvent {
  std::int32_t id = 0;
  std::string text;
};

// A node's value, for dumps and probes: rows in the order of the tokens, batch dimension dropped.
struct NodeValue {
  std::string_view node;
  const Tensor& value;
};

struct Request {
  Input input;
  std::string task;  // by its Hugging Face name; empty: ModelInfo::task
  TaskOptions task_options;
  // The checkpoint's defaults when not given; start from Model::generation() to change single options.
  std::optional<GenerationConfig> generation;
  // Heads to take out or scale, to see what they do.
  std::vector<HeadScale> head_scales;
  // Of decoder-only models: nothing is generated, the input itself is scored (Result::scored).
  bool score = false;
  // Both are called from the scheduler's thread and must not block.
  std::function<void(const TokenEvent&)> on_token;
  std::function<void(const NodeValue&)> on_node;
};

// A token that could have come at some place, and its log-probability there.
struct TokenLogprob {
  std::int32_t id = 0;
  std::string text;  // empty without a tokenizer
  float logprob = 0;
};

struct GeneratedSequence {
  std::vector<std::int32_t> output_ids;  // no prompt, no start token; the end token when it was generated
  std::string text;                      // empty without a tokenizer
  std::optional<double> score;           // beams: transformers' sequences_scores
  std::vector<float> logprobs;           // per output id, when asked for
  std::vector<std::vector<TokenLogprob>> top_logprobs;  // per output id, best first, when asked for
};

// How likely a model takes a text to be: each token given all before it, of which the first has none.
struct TextScore {
  std::vector<std::int32_t> ids;      // [T] of the text
  std::vector<float> token_logprobs;  // [T - 1] of ids[1], ids[2], ...: natural logarithms
  double score = 0;                   // their sum
  double perplexity = 0;              // exp(-score / (T - 1))
};

struct Timing {
  double queue_ms = 0;   // waiting for the first step
  double encode_ms = 0;  // encoder or prompt
  double decode_ms = 0;  // from the first token to the last
  double total_ms = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};

struct Result {
  // Of decoder-only models: the text that the sequences continue. Decoded when the input was ids; empty
  // without a tokenizer.
  std::string prompt;
  std::vector<GeneratedSequence> sequences;  // of models that generate, best first
  std::optional<TextScore> scored;           // where Request::score asked for it
  // Of the other tasks: the fields of the Hugging Face pipeline, {"label", "score"} or a list of such.
  TaskValue value;
  Timing timing;
  std::optional<Error> error;  // then the rest is empty

  // The best sequence's text; throws the error when there is one.
  const std::string& text() const;
};

// A request under way. Dropping it does not cancel the request.
class Ticket {
 public:
  // Blocks until the request is done. A cancelled request has the error CANCELLED.
  Result wait();
  bool done() const;
  // Takes effect before the next step; other requests are not disturbed.
  void cancel();

 private:
  friend class Model;
  struct State;
  explicit Ticket(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class Model {
 public:
  // Throws Error with every issue found in the directory at once.
  static Model load(const std::filesystem::path& directory, const LoadOptions& options = {});

  const ModelInfo& info() const;
  // The checkpoint's generation options: generation_config.json, else config.json, else the defaults.
  const GenerationConfig& generation() const;
  // Null when the directory has no tokenizer.
  const Tokenizer* tokenizer() const;

  // Runs one text to the end; throws Error.
  Result run(std::string_view text) const;
  Result run(Request request) const;
  // Results in the order of the requests; a request that fails has its error in its result.
  std::vector<Result> run(std::vector<Request> requests) const;
  // What heads look at; blocks, and throws Error. See attend/attention.h.
  AttentionResult attention(const AttentionRequest& request) const;
  // The attention layers there are, cross-attention last.
  std::vector<AttentionLayers> attention_layers() const;
  // Throws a usage Error that lists what there is when one of the heads is not there.
  void check_head_scales(std::span<const HeadScale> scales) const;
  // Returns at once.
  Ticket submit(Request request, std::function<void(const Result&)> on_done = {}) const;

  // Records where the time of all this model's requests goes, until stop_profile(). Costs nothing before and
  // after. One profile at a time: throws a usage Error when there is one already, or none to stop.
  void start_profile(const ProfileOptions& options = {}) const;
  // May be called while requests run: what the scheduler has begun is waited for and counted.
  Profile stop_profile() const;

 private:
  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// The tokenizer of a directory, which need not hold a model; throws Error when there is none or it is bad.
// Include attend/tokenizer.h to use it.
std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& directory);

// Where the library's messages go: `level` (trace, debug, info, warn, error, off) and above to `sink`, or to
// standard error when it is empty. Until it is called, warnings and errors go to standard error. Call it
// before other threads use the library; throws a usage Error for another level.
void set_log(std::string_view level,
             std::function<void(std::string_view level, std::string_view message)> sink = {});

}  // namespace attend
