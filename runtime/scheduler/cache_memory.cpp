#include "runtime/scheduler/cache_memory.h"

#include <algorithm>

namespace attend {
namespace {

// Tokens whose rotation is the same in every request; 0: all of them.
std::int64_t unrotated_tokens(const CompiledModel& model) {
  std::int64_t tokens = 0;
  for (const Rope& rope : model.ropes()) {
    if (rope.dynamic_from > 0) tokens = tokens == 0 ? rope.dynamic_from : std::min(tokens, rope.dynamic_from);
  }
  return tokens;
}

}  // namespace

CacheMemory::CacheMemory(const CompiledModel& model, std::uint64_t limit_bytes, std::uint64_t prefix_bytes)
    : layout_(model.cache().self) {
  budget_.limit_bytes = limit_bytes;
  for (const CacheGroup& group : layout_) {
    self_.push_back(std::make_unique<BlockPool>(static_cast<std::size_t>(group.block_bytes), budget_));
  }
  for (const CacheGroup& group : model.cache().cross) {
    cross_ = std::make_unique<BlockPool>(static_cast<std::size_t>(group.block_bytes), budget_);
  }
  if (model.def().graph("encoder") == nullptr && !self_.empty() && prefix_bytes > 0)
    prefixes_.emplace(self_, layout_, prefix_bytes, unrotated_tokens(model));
}

std::size_t CacheMemory::blocks_in_use() const {
  std::size_t blocks = cross_ == nullptr ? 0 : cross_->blocks_in_use();
  for (const auto& pool : self_) blocks += pool->blocks_in_use();
  return blocks;
}

CachedSequence CacheMemory::empty_sequence(std::int32_t rotated_as, std::int64_t tokens) const {
  CachedSequence sequence;
  for (const auto& pool : self_) sequence.groups.emplace_back(*pool).expect(tokens);
  sequence.rotated_as = rotated_as;
  return sequence;
}

bool CacheMemory::reserve_cross(ActiveRequest& active, std::int32_t length) {
  if (cross_ == nullptr || active.request.mode == ScheduledRequest::Mode::encode) return true;
  active.cross.emplace(*cross_);
  if (active.cross->reserve(0, length)) return true;
  active.cross.reset();
  return false;
}

bool CacheMemory::reserve(ActiveRequest& active, std::span<const std::int32_t> counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    CachedSequence& sequence = active.sequences[i];
    for (std::size_t g = 0; g < sequence.groups.size() && counts[i] > 0; ++g) {
      const std::int64_t window = layout_[g].window;
      if (window > 0) sequence.groups[g].drop_before(sequence.cached + 1 - window);
      if (!sequence.groups[g].reserve(sequence.cached, counts[i])) return false;
    }
  }
  return true;
}

std::int64_t CacheMemory::share_prefixes(ActiveRequest& active) {
  // Dumps, scores and attention maps show every row of the prompt, and a scaled head makes other keys and
  // values of the same tokens.
  const ScheduledRequest& request = active.request;
  const bool shares = request.mode == ScheduledRequest::Mode::generate && !request.on_node &&
                      request.decoder_hooks.scalings.empty();
  if (!prefixes_ || !shares) return 0;
  std::int64_t shared = 0;
  for (std::size_t i = 0; i < active.sequences.size(); ++i) {
    if (active.sequences[i].cached > 0) continue;
    shared += prefixes_->take(active.search->sequence(static_cast<int>(i)), active.sequences[i]);
  }
  return shared;
}

void CacheMemory::remember_prefixes(ActiveRequest& active, std::span<const std::int32_t> tokens) {
  // The beams of a search have little that others will ask for.
  if (prefixes_ && active.sequences.size() == 1 && active.request.decoder_hooks.scalings.empty())
    prefixes_->add(tokens, active.sequences.front());
}

}  // namespace attend
