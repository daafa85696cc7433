// Scores are f32 and computed in transformers' order of operations, so that roundings agree. "Never" is the
// score -1e9 there as here: large enough to lose every comparison, and finite.
#include "runtime/generation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "runtime/generation/random.h"
#include "runtime/generation/step_errors.h"
#include "runtime/generation/warpers.h"

namespace attend {
namespace {

constexpr float kNever = -1.0e9f;

// Stable, and without memory of its own, for the few and nearly sorted entries of a step.
template <typename Entry, typename Before>
void insertion_sort(std::vector<Entry>& entries, Before before) {
  for (auto i = entries.begin(); i != entries.end(); ++i)
    std::rotate(std::upper_bound(entries.begin(), i, *i, before), i, std::next(i));
}

}  // namespace

BeamSearch::BeamSearch(const GenerationConfig& config, const LengthLimits& limits, LogitsRules rules,
                       std::span<const std::int32_t> prompt, std::uint32_t request, StopPredicate should_stop)
    : config_(config),
      num_beams_(static_cast<std::size_t>(config.num_beams)),
      num_candidates_(num_beams_ * std::max<std::size_t>(2, 1 + config.eos_token_id.size())),
      prompt_length_(prompt.size()),
      max_length_(static_cast<std::size_t>(limits.max_length)),
      length_(prompt.size()),
      rules_(std::move(rules)),
      request_(request),
      should_stop_(std::move(should_stop)),
      row_candidates_(num_beams_),
      row_top_logprobs_(num_beams_),
      finished_(num_beams_, Finished{.score = kNever}) {
  beams_.push_back({.score = 0.0f, .node = -1, .ids = {prompt.begin(), prompt.end()}});
  // Room for what the steps make, so that they allocate nothing. A step makes at most K nodes, mostly B.
  const auto expected = static_cast<std::size_t>(expected_length(limits));
  expected_length_ = expected;
  nodes_.reserve((expected - std::min(expected, prompt_length_)) * (num_beams_ + 1) + num_candidates_);
  candidates_.reserve(num_beams_ * num_candidates_);
  stop_ids_.reserve(expected);
  ranked_.reserve(num_candidates_);
  merged_.reserve(num_beams_ + num_candidates_);
  moves_.reserve(num_beams_);
}

void BeamSearch::score(int row, std::span<const float> logits, SamplerScratch& scratch) {
  const Beam& beam = beams_[static_cast<std::size_t>(row)];
  const LogSumExp norm = log_sum_exp(logits);
  if (std::isnan(norm.log_sum) && !config_.remove_invalid_values) throw nonfinite_logits();
  if (config_.top_logprobs > 0) {
    const auto top = std::make_shared<std::vector<ScoredToken>>();
    top_k(logits, config_.top_logprobs, 0.0f, *top);
    for (ScoredToken& token : *top) token.score = norm.log_prob(token.score);
    row_top_logprobs_[static_cast<std::size_t>(row)] = top;
  }
  std::vector<float>& scores = scratch.scores;
  scores.resize(logits.size());
  log_softmax(logits, norm, scores);
  rules_.apply(scores, beam.ids);
  if (config_.do_sample) {
    warp(config_, std::max<std::size_t>(2, 1 + config_.eos_token_id.size()), scores, scratch.kept);
    std::fill(scores.begin(), scores.end(), -std::numeric_limits<float>::infinity());
    for (const ScoredToken& token : scratch.kept) scores[static_cast<std::size_t>(token.token)] = token.score;
  }
  if (config_.renormalize_logits) log_softmax(scores, log_sum_exp(scores), scores);

  keep_best(static_cast<std::size_t>(row), beam.score, logits, norm, scratch);
  if (length_ == prompt_length_) {
    // The other beams start as copies of the first with the score "never": they count when the first has
    // fewer than K possible tokens.
    for (std::size_t other = 1; other < num_beams_; ++other) keep_best(other, kNever, logits, norm, scratch);
  }
}

void BeamSearch::keep_best(std::size_t row, float running_score, std::span<const float> logits,
                           const LogSumExp& norm, SamplerScratch& scratch) {
  std::vector<Candidate>& candidates = row_candidates_[row];
  candidates.clear();
  const auto add = [&](std::size_t token, float score, float key) {
    candidates.push_back({.score = score,
                          .key = key,
                          .row = static_cast<std::int32_t>(row),
                          .token = static_cast<std::int32_t>(token),
                          .logprob = norm.log_prob(logits[token])});
  };
  if (!config_.do_sample) {
    top_k(scratch.scores, static_cast<std::int32_t>(num_candidates_), running_score, scratch.kept);
    for (const ScoredToken& best : scratch.kept) {
      add(static_cast<std::size_t>(best.token), best.score, best.score);
    }
    return;
  }
  // Adding Gumbel noise and taking the best is drawing without replacement (Kool et al. 2019,
  // arXiv:1903.06059).
  const RandomStream random{
      .seed = config_.seed, .request = request_, .sequence = static_cast<std::uint32_t>(row)};
  const auto position = static_cast<std::uint32_t>(length_);
  for (const ScoredToken& kept : scratch.kept) {
    const auto token = static_cast<std::size_t>(kept.token);
    const float score = scratch.scores[token] + running_score;
    const double uniform = random.uniform(position, static_cast<std::uint32_t>(token)) + 0x1.0p-54;
    add(token, score, static_cast<float>(score - std::log(-std::log(uniform))));
  }
  const std::size_t count = std::min(num_candidates_, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                    candidates.end(), before);
  candidates.resize(count);
}

std::span<const BeamMove> BeamSearch::advance() {
  gather_candidates();
  if (candidates_.empty()) {
    if (std::none_of(finished_.begin(), finished_.end(), [](const Finished& f) { return f.finished; })) {
      throw no_token_left();
    }
    moves_.clear();
    done_ = true;
    return moves_;
  }
  update_finished();
  const bool all_stop =
      std::all_of(candidates_.begin(), candidates_.end(), [](const Candidate& c) { return c.stops; });
  update_beams();
  ++length_;
  improvement_possible_ = improvement_possible_ && can_improve();
  const bool full = config_.early_stopping == EarlyStopping::yes && all_finished();
  done_ = !improvement_possible_ || full || all_stop;
  return moves_;
}

bool BeamSearch::before(const Candidate& a, const Candidate& b) {
  if (a.key != b.key) return a.key > b.key;
  return std::pair(a.row, a.token) < std::pair(b.row, b.token);
}

// The best K continuations of all beams, and whether each ends its sequence.
void BeamSearch::gather_candidates() {
  candidates_.clear();
  for (const std::vector<Candidate>& row : row_candidates_) {
    candidates_.insert(candidates_.end(), row.begin(), row.end());
  }
  const std::size_t count = std::min(num_candidates_, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count),
                    candidates_.end(), before);
  candidates_.resize(count);
  if (count == 0 || candidates_.front().score == -std::numeric_limits<float>::infinity())
    throw no_token_left();
  const bool last = length_ + 1 >= max_length_;
  const std::vector<std::int32_t>& eos = config_.eos_token_id;
  for (Candidate& candidate : candidates_) {
    // Before the first step there is one beam, which stands for all.
    if (length_ == prompt_length_) candidate.row = 0;
    candidate.stops = last || std::find(eos.begin(), eos.end(), candidate.token) != eos.end();
    if (!candidate.stops && should_stop_) {
      stop_ids_ = beams_[static_cast<std::size_t>(candidate.row)].ids;
      stop_ids_.push_back(candidate.token);
      candidate.stops = should_stop_(stop_ids_);
    }
  }
}

// Among the first B candidates those that stop compete with the finished hypotheses.
void BeamSearch::update_finished() {
  const bool closed = config_.early_stopping == EarlyStopping::yes && all_finished();
  const float weight = length_weight(length_ + 1 - prompt_length_);
  merged_.clear();
  for (const Finished& hypothesis : finished_) merged_.push_back({hypothesis, -1});
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const bool finishes = i < num_beams_ && candidates_[i].stops;
    float score = candidates_[i].score / weight;
    if (closed) score += kNever;
    if (!improvement_possible_) score += kNever;
    if (!finishes) score += kNever;
    merged_.push_back({{.score = score, .finished = finishes}, static_cast<std::int32_t>(i)});
  }
  // A hypothesis that finished with the score "never" is still better than a placeholder.
  insertion_sort(merged_, [](const Merged& a, const Merged& b) {
    return std::pair(a.hypothesis.score, a.hypothesis.finished) >
           std::pair(b.hypothesis.score, b.hypothesis.finished);
  });
  for (std::size_t i = 0; i < num_beams_; ++i) {
    Merged& entry = merged_[i];
    if (entry.candidate >= 0) {
      entry.hypothesis.node = node_of(candidates_[static_cast<std::size_t>(entry.candidate)]);
    }
    finished_[i] = entry.hypothesis;
  }
}

// The best B candidates that do not stop run on.
void BeamSearch::update_beams() {
  ranked_.clear();
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    ranked_.push_back({candidates_[i].stops ? candidates_[i].score + kNever : candidates_[i].score, i});
  }
  insertion_sort(ranked_, [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  ranked_.resize(std::min(num_beams_, ranked_.size()));
  moves_.clear();
  next_beams_.resize(ranked_.size());
  for (std::size_t i = 0; i < ranked_.size(); ++i) {
    Candidate& candidate = candidates_[ranked_[i].candidate];
    Beam& beam = next_beams_[i];
    beam.score = ranked_[i].score;
    beam.node = node_of(candidate);
    beam.ids.reserve(expected_length_);
    beam.ids = beams_[static_cast<std::size_t>(candidate.row)].ids;
    beam.ids.push_back(candidate.token);
    moves_.push_back({candidate.row, candidate.token});
  }
  beams_.swap(next_beams_);
}

// Whether the best running beam may still beat the worst finished hypothesis. Its length is taken as it is
// now, or as the longest possible for EarlyStopping::never, where length is rewarded.
bool BeamSearch::can_improve() const {
  const bool assume_longest = config_.early_stopping == EarlyStopping::never && config_.length_penalty > 0.0;
  const float best =
      beams_.front().score / length_weight((assume_longest ? max_length_ : length_) - prompt_length_);
  float worst = std::numeric_limits<float>::infinity();
  for (const Finished& hypothesis : finished_) worst = std::min(worst, hypothesis.score);
  return std::any_of(finished_.begin(), finished_.end(), [&](const Finished& hypothesis) {
    return best > (hypothesis.finished ? worst : kNever);
  });
}

bool BeamSearch::all_finished() const {
  return std::all_of(finished_.begin(), finished_.end(), [](const Finished& f) { return f.finished; });
}

float BeamSearch::length_weight(std::size_t generated_tokens) const {
  const double weight = std::pow(static_cast<double>(generated_tokens), config_.length_penalty);
  return static_cast<float>(std::max(weight, double{std::numeric_limits<float>::min()}));
}

std::int32_t BeamSearch::node_of(Candidate& candidate) {
  if (candidate.node < 0) {
    const auto row = static_cast<std::size_t>(candidate.row);
    candidate.node = static_cast<std::int32_t>(nodes_.size());
    nodes_.push_back({beams_[row].node, candidate.token, candidate.logprob, row_top_logprobs_[row]});
  }
  return candidate.node;
}

std::vector<Hypothesis> BeamSearch::hypotheses() const {
  std::vector<Hypothesis> result;
  for (std::size_t i = 0; i < static_cast<std::size_t>(config_.num_return_sequences); ++i) {
    Hypothesis hypothesis;
    hypothesis.score = finished_[i].score;
    for (std::int32_t at = finished_[i].node; at >= 0;) {
      const Node& node = nodes_[static_cast<std::size_t>(at)];
      hypothesis.ids.push_back(node.token);
      hypothesis.logprobs.push_back(node.logprob);
      if (node.top_logprobs) hypothesis.top_logprobs.push_back(*node.top_logprobs);
      at = node.parent;
    }
    std::reverse(hypothesis.ids.begin(), hypothesis.ids.end());
    std::reverse(hypothesis.top_logprobs.begin(), hypothesis.top_logprobs.end());
    std::reverse(hypothesis.logprobs.begin(), hypothesis.logprobs.end());
    result.push_back(std::move(hypothesis));
  }
  return result;
}

}  // namespace attend
