// Beam search over one request, step for step what transformers 5.23 computes (GenerationMixin._beam_search).
//
// B beams, V vocabulary size, E end tokens, K = B max(2, 1 + E) candidates of a step. The caller runs the
// model:
//
//   BeamSearch search(config, limits, rules, prompt);
//   while (!search.done()) {
//     for (int row = 0; row < search.rows(); ++row) search.score(row, <logits after search.sequence(row)>,
//     scratch); for (BeamMove move : search.advance()) <new beam continues old beam move.parent with
//     move.token>;
//   }
//   search.hypotheses();
//
// With do_sample the candidates are drawn without replacement (in the order drawn) from the softmax of the
// accumulated scores, as transformers' beam sampling does, with random numbers of attend's own.
//
// A request's result depends on its own logits only. Candidates of equal score are taken in the order of
// (beam, token); torch leaves that order open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "attend/generation_config.h"
#include "runtime/generation/length_limits.h"
#include "runtime/generation/log_softmax_topk.h"
#include "runtime/generation/logits_rules.h"
#include "runtime/generation/sampler.h"

namespace attend {

struct BeamMove {
  std::int32_t parent = 0;  // beam of the step before
  std::int32_t token = 0;
};

struct Hypothesis {
  std::vector<std::int32_t> ids;  // generated, with the end token when there is one; no prompt, no padding
  float score = 0.0f;             // transformers' sequences_scores: sum of log-probabilities / length^penalty
  // Log-probability of each id under the model alone (log-softmax of its logits, before any rule).
  std::vector<float> logprobs;
  std::vector<std::vector<ScoredToken>> top_logprobs;  // of each id the best at its place, the same way
};

class BeamSearch {
 public:
  // True when generation of this sequence [N], whose last token is new, has to stop (a stop string).
  using StopPredicate = std::function<bool(std::span<const std::int32_t> input_ids)>;

  // `prompt` is the decoder's input so far: the prompt, or the start token. The config must have passed
  // validate(); the rules must have been made from it.
  // `request` is as for Sampler.
  BeamSearch(const GenerationConfig& config, const LengthLimits& limits, LogitsRules rules,
             std::span<const std::int32_t> prompt, std::uint32_t request, StopPredicate should_stop = {});

  // Rows of logits the next step needs: 1 before the first step, when all beams are alike, then B.
  int rows() const { return static_cast<int>(beams_.size()); }
  // Tokens of a running beam, the prompt included.
  std::span<const std::int32_t> sequence(int row) const { return beams_[static_cast<std::size_t>(row)].ids; }

  // Takes the logits [V] that follow sequence(row). Different rows may be scored from several threads at
  // once, each with a scratch of its own. Throws Error NONFINITE_LOGITS when the logits hold NaN or +inf and
  // remove_invalid_values is off.
  void score(int row, std::span<const float> logits, SamplerScratch& scratch);

  // After all rows were scored: the beams of the next step. Meaningless once done().
  // Throws Error NO_TOKEN_LEFT when the rules forbid every token of every beam and nothing has finished.
  std::span<const BeamMove> advance();

  bool done() const { return done_; }
  // num_return_sequences of them, best first; after done(). One that the rules left no token for is empty.
  std::vector<Hypothesis> hypotheses() const;

 private:
  struct Candidate {
    float score = 0.0f;    // of the sequence with this token
    float key = 0.0f;      // what candidates are ordered by: the score, when sampling with noise
    std::int32_t row = 0;  // beam it continues
    std::int32_t token = 0;
    float logprob = 0.0f;
    bool stops = false;
    std::int32_t node = -1;
  };
  // One generated token; sequences share their beginnings.
  struct Node {
    std::int32_t parent = -1;
    std::int32_t token = 0;
    float logprob = 0.0f;
    std::shared_ptr<const std::vector<ScoredToken>> top_logprobs;  // null unless the config asks for them
  };
  struct Beam {
    float score = 0.0f;
    std::int32_t node = -1;
    std::vector<std::int32_t> ids;
  };
  struct Finished {
    float score = 0.0f;
    bool finished = false;  // else a placeholder
    std::int32_t node = -1;
  };

  // The order in which candidates are taken.
  static bool before(const Candidate& a, const Candidate& b);
  // Sets row_candidates_[row] to the K best of scratch.scores [V], each added to the row's running score.
  void keep_best(std::size_t row, float running_score, std::span<const float> logits, const LogSumExp& norm,
                 SamplerScratch& scratch);
  void gather_candidates();
  void update_finished();
  void update_beams();
  bool can_improve() const;
  bool all_finished() const;
  // Length as length_penalty weighs it.
  float length_weight(std::size_t generated_tokens) const;
  std::int32_t node_of(Candidate& candidate);

  GenerationConfig config_;
  std::size_t num_beams_;
  std::size_t num_candidates_;
  std::size_t prompt_length_;
  std::size_t max_length_;
  std::size_t length_;  // of the running sequences
  LogitsRules rules_;
  std::uint32_t request_;
  StopPredicate should_stop_;

  std::vector<std::vector<Candidate>> row_candidates_;  // [B] lists of at most K, written by score()
  std::vector<Candidate> candidates_;                   // the K best of the step, best first
  std::vector<std::shared_ptr<const std::vector<ScoredToken>>> row_top_logprobs_;  // [B], written by score()
  std::vector<Node> nodes_;
  std::vector<Beam> beams_;         // running, best first
  std::vector<Finished> finished_;  // [B], best first
  std::vector<BeamMove> moves_;
  // Memory of one step.
  struct Ranked {
    float score = 0.0f;
    std::size_t candidate = 0;
  };
  struct Merged {
    Finished hypothesis;
    std::int32_t candidate = -1;  // -1: it had finished before
  };
  std::vector<Ranked> ranked_;
  std::vector<Merged> merged_;
  std::vector<Beam> next_beams_;
  std::vector<std::int32_t> stop_ids_;
  std::size_t expected_length_ = 0;
  bool improvement_possible_ = true;
  bool done_ = false;
};

}  // namespace attend
