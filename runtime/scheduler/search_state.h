// One interface over greedy search, sampling and beam search, as the scheduler drives them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/generation/beam_search.h"
#include "runtime/generation/length_limits.h"
#include "runtime/generation/sampler.h"
#include "runtime/scheduler/request.h"

namespace attend {

class SearchState {
 public:
  virtual ~SearchState() = default;

  // Sequences whose next logits are wanted; 1 before the first step, whatever comes after.
  virtual int rows() const = 0;
  // Tokens of a sequence, prompt or start token included.
  virtual std::span<const std::int32_t> sequence(int row) const = 0;
  // Takes the logits [V] that follow sequence(row); rows may be scored from several threads at once.
  virtual void score(int row, std::span<const float> logits, SamplerScratch& scratch) = 0;
  // After all rows were scored: the sequences of the next step, each continuing one of this step.
  virtual std::span<const BeamMove> advance() = 0;
  virtual bool done() const = 0;
  virtual std::vector<SequenceResult> results() const = 0;
};

// `prompt` is the decoder's input so far. The config must have passed validate().
std::unique_ptr<SearchState> make_search(const ScheduledRequest& request, const LengthLimits& limits,
                                         std::span<const std::int32_t> prompt);

// Log-probabilities of `ids`, at least two, each given those before it; the rows of a step are scored as they
// come.
std::unique_ptr<SearchState> make_scoring(std::span<const std::int32_t> ids);

// Feeds `ids`, whatever their logits are.
std::unique_ptr<SearchState> make_observing(std::span<const std::int32_t> ids);

}  // namespace attend
