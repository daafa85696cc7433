// What the scheduler runs: token ids in, token ids out. Text, tasks and files are other layers' business.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "attend/generation_config.h"
#include "attend/tensor.h"
#include "runtime/generation/log_softmax_topk.h"
#include "runtime/scheduler/step_hooks.h"

namespace attend {

// A node's value for one request: its rows only.
struct RequestNodeValue {
  std::string_view node;
  const float* data;
  Shape shape;  // [rows, width], without the batch: [width] where a sequence has one row, [rows] of a column
};

struct SequenceResult {
  std::vector<std::int32_t> ids;  // generated, the end token included; when scoring, all but the first
  std::optional<float> score;     // beams
  std::vector<float> logprobs;
  std::vector<std::vector<ScoredToken>> top_logprobs;  // by id, best first
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct Outcome {
  std::vector<SequenceResult> sequences;
  std::vector<NamedTensor> outputs;  // of encoders: what the graph declares, this request's rows
  std::optional<Error> error;
  double queue_ms = 0;
  double encode_ms = 0;
  double decode_ms = 0;
  double total_ms = 0;
};

struct ScheduledRequest {
  enum class Mode : std::uint8_t {
    generate,
    encode,   // one pass of the encoder graph; the outcome holds its outputs
    score,    // of decoder-only models: log-probabilities of the input's own tokens, nothing is generated
    observe,  // the decoder over given tokens, for its attention hooks: nothing is generated
  };
  Mode mode = Mode::generate;
  std::int64_t id = 0;                    // of the caller's request, for profiles; several may share one
  std::vector<std::int32_t> input_ids;    // of the encoder, or the prompt
  std::vector<std::int32_t> token_types;  // as many, or none
  // Encoders: the rows, ascending, that outputs of sampled rows have; none: all.
  std::vector<std::int32_t> sampled_rows;
  // observe, encoder-decoder: what the decoder reads, the start token first. Decoder-only models read the
  // input.
  std::vector<std::int32_t> decoder_ids;
  // Attention to see or change in each graph. Probes and queries of the decoder need Mode::observe, where the
  // request has one sequence, whose rows they count.
  RequestHooks encoder_hooks, decoder_hooks;
  GenerationConfig config;
  // True when generation of this sequence has to stop: a stop string. Tokens with the prompt.
  std::function<bool(std::span<const std::int32_t>)> should_stop;
  std::function<void(std::int32_t token)> on_token;
  std::function<void(const RequestNodeValue&)> on_node;
  std::function<void(Outcome)> on_done;  // called exactly once
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace attend
