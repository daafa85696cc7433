#include "runtime/scheduler/active_request.h"

#include <algorithm>
#include <utility>

#include "engine/profiler/profiler.h"

namespace attend {
void ActiveRequest::finish(Outcome outcome) {
  const double now = steady_seconds();
  outcome.total_ms = (now - submitted) * 1e3;
  outcome.queue_ms = started == 0 ? outcome.total_ms : (started - submitted) * 1e3;
  if (encoded != 0) {
    outcome.encode_ms = (encoded - started) * 1e3;
    outcome.decode_ms = (now - encoded) * 1e3;
  }
  drop_cache();
  request.on_done(std::move(outcome));
}

void ActiveRequest::fail(Error error) {
  Outcome outcome;
  outcome.error = std::move(error);
  finish(std::move(outcome));
}

std::pair<std::int64_t, std::int64_t> ActiveRequest::rows_of(Rows kind) const {
  switch (kind) {
    case Rows::tokens: return {first_row, rows};
    case Rows::sampled: return {first_sampled, sampled};
    case Rows::sequences: return {first_sequence, step_sequences};
  }
  return {0, 0};
}

std::span<const std::int32_t> ActiveRequest::rows_of_step(StepBudget& left) {
  const std::size_t n = sequences.size();
  counts_.assign(n, 0);
  bool decodes = true;
  for (std::size_t i = 0; i < n; ++i) decodes = decodes && remaining(i) == 1;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t wanted = decodes || n == 1 ? remaining(i) : remaining(i) - 1;
    counts_[i] = decodes ? wanted : std::min(wanted, left.prefill);
    if (request.mode == ScheduledRequest::Mode::score) {
      counts_[i] = std::min(counts_[i], left.scored);
      left.scored -= counts_[i];
    }
    if (!decodes) left.prefill -= counts_[i];
  }
  return counts_;
}

void ActiveRequest::add_rows(Batch& batch, std::span<const std::int32_t> counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    CachedSequence& sequence = sequences[i];
    const auto tokens = search->sequence(static_cast<int>(i));
    batch.add_sequence(
        tokens.subspan(static_cast<std::size_t>(sequence.cached), static_cast<std::size_t>(counts[i])), {},
        sequence.cached, sequence.rotated_as);
    for (const BlockList& blocks : sequence.groups) batch.add_table(blocks.data());
    sequence.cached += counts[i];
    if (request.mode == ScheduledRequest::Mode::score) {
      // After a preemption the first rows are there for the cache alone.
      batch.sample_last_rows(std::clamp(sequence.cached - scored, 0, counts[i]));
      scored = std::max(scored, sequence.cached);
    } else if (sequence.cached == static_cast<std::int32_t>(tokens.size())) {
      batch.sample_last_rows(1);
    }
  }
  rows = batch.rows() - first_row;
  sampled = batch.sampled() - first_sampled;
  step_sequences = batch.sequences() - first_sequence;
  if (cross && rows > 0) {
    batch.add_cross(first_row, static_cast<std::int32_t>(request.input_ids.size()), cross->data());
  }
}

void ActiveRequest::follow(std::span<const BeamMove> moves) {
  spare.reserve(moves.size());  // at once: how many are dropped differs from step to step
  next_.reserve(moves.size());
  heirs_.assign(sequences.size(), 0);
  for (const BeamMove& move : moves) ++heirs_[static_cast<std::size_t>(move.parent)];
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (heirs_[i] > 0) continue;
    for (BlockList& blocks : sequences[i].groups) blocks.clear();
    spare.push_back(std::move(sequences[i]));
  }
  for (const BeamMove& move : moves) {
    CachedSequence& parent = sequences[static_cast<std::size_t>(move.parent)];
    const bool last = --heirs_[static_cast<std::size_t>(move.parent)] == 0;
    next_.push_back(last ? std::move(parent) : fork(parent));
  }
  sequences.swap(next_);
  next_.clear();
}

CachedSequence ActiveRequest::fork(const CachedSequence& parent) {
  CachedSequence child;
  if (!spare.empty()) {
    child = std::move(spare.back());
    spare.pop_back();
  }
  child.cached = parent.cached;
  child.rotated_as = parent.rotated_as;
  child.remembered = 0;
  child.last_remembered = 0;
  for (std::size_t g = 0; g < parent.groups.size(); ++g) {
    if (g == child.groups.size()) child.groups.emplace_back(parent.groups[g].pool());
    child.groups[g].share(parent.groups[g]);
  }
  return child;
}

void ActiveRequest::emit(std::span<const BeamMove> moves) const {
  if (!request.on_token || request.config.num_beams > 1 || request.config.num_return_sequences > 1) return;
  request.on_token(search->done() ? search->results().front().ids.back() : moves.front().token);
}

void ActiveRequest::report(const NodeView& view) const {
  const auto [first, count] = rows_of(view.rows_kind);
  if (count == 0) return;
  const bool encodes = request.mode == ScheduledRequest::Mode::encode;
  Shape shape{count, view.width};
  if (encodes && view.rows_kind == Rows::sequences) shape = {view.width};
  if (std::holds_alternative<Column>(view.node.op)) shape = {count};
  // Before the first step all beams are alike and one stands for all.
  const bool stands_for_all = view.rows_kind == Rows::sampled && first_step && request.config.num_beams > 1;
  const int repeat = stands_for_all ? request.config.num_beams : 1;
  for (int i = 0; i < repeat; ++i) request.on_node({view.name, view.data + first * view.width, shape});
}

}  // namespace attend
