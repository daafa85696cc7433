#include "runtime/scheduler/search_state.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

namespace attend {
namespace {

// Greedy search and sampling: every sequence goes on by itself until its own end.
class SamplingState final : public SearchState {
 public:
  SamplingState(const ScheduledRequest& request, const LengthLimits& limits,
                std::span<const std::int32_t> prompt)
      : config_(request.config),
        limits_(limits),
        sampler_(request.config, LogitsRules(request.config, limits, request.input_ids), 0),
        should_stop_(request.should_stop),
        finished_(static_cast<std::size_t>(config_.num_return_sequences)) {
    running_.push_back({.ids = {prompt.begin(), prompt.end()}});
    reserve(running_.back());
    moves_.reserve(finished_.size());
  }

  int rows() const override { return static_cast<int>(running_.size()); }
  std::span<const std::int32_t> sequence(int row) const override { return at(row).ids; }

  void score(int row, std::span<const float> logits, SamplerScratch& scratch) override {
    Running& sequence = running_[static_cast<std::size_t>(row)];
    // The first step has one row, from which every sequence draws its own token.
    const std::size_t draws = first_ ? finished_.size() : 1;
    sequence.chosen.clear();
    for (std::size_t i = 0; i < draws; ++i) {
      const auto number = first_ ? static_cast<std::uint32_t>(i) : sequence.number;
      sequence.chosen.push_back(sampler_.choose(logits, sequence.ids, number, scratch));
    }
  }

  std::span<const BeamMove> advance() override {
    moves_.clear();
    if (first_) spread();
    std::size_t kept = 0;
    for (std::size_t row = 0; row < running_.size(); ++row) {
      Running& sequence = running_[row];
      ChosenToken& chosen = sequence.chosen.front();
      sequence.ids.push_back(chosen.token);
      if (config_.logprobs) sequence.logprobs.push_back(chosen.logprob);
      if (config_.top_logprobs > 0) sequence.top_logprobs.push_back(std::move(chosen.top_logprobs));
      if (ends(sequence.ids)) {
        finish(std::move(sequence));
        continue;
      }
      // The first step has one row, which all continue.
      moves_.push_back({first_ ? 0 : static_cast<std::int32_t>(row), chosen.token});
      if (kept != row) running_[kept] = std::move(sequence);
      ++kept;
    }
    running_.resize(kept);
    first_ = false;
    return moves_;
  }

  bool done() const override { return running_.empty(); }
  std::vector<SequenceResult> results() const override { return finished_; }

 private:
  struct Running {
    std::vector<std::int32_t> ids{};
    std::vector<float> logprobs{};
    std::vector<std::vector<ScoredToken>> top_logprobs{};
    std::uint32_t number = 0;
    std::vector<ChosenToken> chosen{};
  };

  // Makes the one sequence of the first step as many as it has drawn tokens for.
  void spread() {
    std::vector<ChosenToken> drawn = std::move(running_.front().chosen);
    const Running first = running_.front();
    running_.assign(drawn.size(), first);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      running_[i].number = static_cast<std::uint32_t>(i);
      running_[i].chosen.assign(1, std::move(drawn[i]));
      reserve(running_[i]);
    }
  }

  // Room for the result, so that steps allocate nothing.
  void reserve(Running& sequence) const {
    const auto length = static_cast<std::size_t>(expected_length(limits_));
    sequence.ids.reserve(length);
    if (config_.logprobs) sequence.logprobs.reserve(length);
    sequence.chosen.reserve(1);
  }

  const Running& at(int row) const { return running_[static_cast<std::size_t>(row)]; }

  bool ends(const std::vector<std::int32_t>& ids) const {
    const auto& eos = config_.eos_token_id;
    return std::find(eos.begin(), eos.end(), ids.back()) != eos.end() ||
           static_cast<std::int32_t>(ids.size()) >= limits_.max_length || (should_stop_ && should_stop_(ids));
  }

  void finish(Running sequence) {
    SequenceResult& result = finished_[sequence.number];
    result.ids.assign(sequence.ids.begin() + limits_.prompt_length, sequence.ids.end());
    result.logprobs = std::move(sequence.logprobs);
    result.top_logprobs = std::move(sequence.top_logprobs);
    if (!config_.logprobs) return;
    float sum = 0;
    for (const float logprob : result.logprobs) sum += logprob;
    result.score = sum;
  }

  GenerationConfig config_;
  LengthLimits limits_;
  Sampler sampler_;
  std::function<bool(std::span<const std::int32_t>)> should_stop_;
  std::vector<Running> running_;
  std::vector<SequenceResult> finished_;
  std::vector<BeamMove> moves_;
  bool first_ = true;
};

class BeamState final : public SearchState {
 public:
  BeamState(const ScheduledRequest& request, const LengthLimits& limits, std::span<const std::int32_t> prompt)
      : search_(request.config, limits, LogitsRules(request.config, limits, request.input_ids), prompt, 0,
                request.should_stop),
        logprobs_(request.config.logprobs) {}

  int rows() const override { return search_.rows(); }
  std::span<const std::int32_t> sequence(int row) const override { return search_.sequence(row); }
  void score(int row, std::span<const float> logits, SamplerScratch& scratch) override {
    search_.score(row, logits, scratch);
  }
  std::span<const BeamMove> advance() override { return search_.advance(); }
  bool done() const override { return search_.done(); }

  std::vector<SequenceResult> results() const override {
    std::vector<SequenceResult> results;
    for (Hypothesis& hypothesis : search_.hypotheses()) {
      results.push_back({.ids = std::move(hypothesis.ids),
                         .score = hypothesis.score,
                         .logprobs = {},
                         .top_logprobs = std::move(hypothesis.top_logprobs)});
      if (logprobs_) results.back().logprobs = std::move(hypothesis.logprobs);
    }
    return results;
  }

 private:
  BeamSearch search_;
  bool logprobs_;
};

// Feeds all tokens but the last and reads off what each of their successors had.
class ScoringState final : public SearchState {
 public:
  explicit ScoringState(std::span<const std::int32_t> ids)
      : ids_(ids.begin(), ids.end()), logprobs_(ids.size() - 1) {}

  int rows() const override { return 1; }
  std::span<const std::int32_t> sequence(int) const override {
    return std::span(ids_).first(ids_.size() - 1);
  }

  void score(int row, std::span<const float> logits, SamplerScratch&) override {
    const std::size_t at = done_ + static_cast<std::size_t>(row);
    float max = -std::numeric_limits<float>::infinity();
    for (const float logit : logits) max = std::max(max, logit);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit - max));
    const float chosen = logits[static_cast<std::size_t>(ids_[at + 1])];
    logprobs_[at] = static_cast<float>(static_cast<double>(chosen - max) - std::log(sum));
    ++scored_;
  }

  std::span<const BeamMove> advance() override {
    done_ += scored_.exchange(0);
    move_ = {0, ids_[done_]};
    return {&move_, 1};
  }

  bool done() const override { return done_ == logprobs_.size(); }

  std::vector<SequenceResult> results() const override {
    return {{.ids = {ids_.begin() + 1, ids_.end()}, .score = {}, .logprobs = logprobs_, .top_logprobs = {}}};
  }

 private:
  std::vector<std::int32_t> ids_;
  std::vector<float> logprobs_;
  std::size_t done_ = 0;
  std::atomic<std::size_t> scored_ = 0;  // rows of this step
  BeamMove move_{};
};

class ObservingState final : public SearchState {
 public:
  explicit ObservingState(std::span<const std::int32_t> ids) : ids_(ids.begin(), ids.end()) {}

  int rows() const override { return 1; }
  std::span<const std::int32_t> sequence(int) const override { return ids_; }
  void score(int, std::span<const float>, SamplerScratch&) override {}
  std::span<const BeamMove> advance() override {
    done_ = true;
    return {};
  }
  bool done() const override { return done_; }
  std::vector<SequenceResult> results() const override { return {}; }

 private:
  std::vector<std::int32_t> ids_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<SearchState> make_observing(std::span<const std::int32_t> ids) {
  return std::make_unique<ObservingState>(ids);
}

std::unique_ptr<SearchState> make_scoring(std::span<const std::int32_t> ids) {
  return std::make_unique<ScoringState>(ids);
}

std::unique_ptr<SearchState> make_search(const ScheduledRequest& request, const LengthLimits& limits,
                                         std::span<const std::int32_t> prompt) {
  if (request.config.num_beams > 1) return std::make_unique<BeamState>(request, limits, prompt);
  return std::make_unique<SamplingState>(request, limits, prompt);
}

}  // namespace attend
