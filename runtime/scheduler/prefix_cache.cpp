#include "runtime/scheduler/prefix_cache.h"

#include <algorithm>
#include <memory>

#include "engine/plan/step_input.h"

namespace attend {
namespace {

std::uint64_t hash_of(std::uint64_t parent, std::span<const std::int32_t> tokens) {
  // FNV-1a over the parent and the tokens; equality is checked besides.
  std::uint64_t hash = 0xCBF29CE484222325ULL ^ parent;
  for (const std::int32_t token : tokens)
    hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001B3ULL;
  return hash;
}

}  // namespace

PrefixCache::PrefixCache(std::span<const std::unique_ptr<BlockPool>> pools,
                         std::span<const CacheGroup> groups, std::uint64_t limit_bytes,
                         std::int64_t max_tokens)
    : pools_(pools), groups_(groups), max_tokens_(max_tokens) {
  std::uint64_t bytes = 0;
  for (const auto& pool : pools) bytes += pool->block_bytes();
  if (bytes > 0) limit_entries_ = static_cast<std::size_t>(limit_bytes / bytes);
}

PrefixCache::Entries::iterator PrefixCache::find(std::uint64_t parent, std::span<const std::int32_t> tokens,
                                                 std::uint64_t hash) {
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto candidate = begin; candidate != end; ++candidate) {
    const Entry& entry = *candidate->second;
    if (entry.parent == parent && std::ranges::equal(entry.tokens, tokens)) return candidate->second;
  }
  return entries_.end();
}

// Whether a sequence can go on after these blocks: everything that its windows still see is there.
bool PrefixCache::usable(std::span<const Entries::iterator> path) const {
  const auto tokens = static_cast<std::int64_t>(path.size()) * kBlockTokens;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::int64_t window = groups_[g].window;
    const std::int64_t first = window > 0 ? std::max<std::int64_t>(0, tokens + 1 - window) / kBlockTokens : 0;
    for (auto i = static_cast<std::size_t>(first); i < path.size(); ++i) {
      if (path[i]->blocks[g] == nullptr) return false;
    }
  }
  return true;
}

std::int32_t PrefixCache::take(std::span<const std::int32_t> tokens, CachedSequence& sequence) {
  std::vector<Entries::iterator> path;
  std::uint64_t parent = 0;
  if (max_tokens_ > 0 && sequence.rotated_as > max_tokens_) return 0;
  for (std::size_t at = 0; at + kBlockTokens < tokens.size(); at += kBlockTokens) {
    const auto block = tokens.subspan(at, kBlockTokens);
    const auto entry = find(parent, block, hash_of(parent, block));
    if (entry == entries_.end()) break;
    path.push_back(entry);
    parent = entry->id;
  }
  while (!path.empty() && !usable(path)) path.pop_back();
  // Used last: the beginning last of all, so that ends are forgotten before what they continue.
  for (std::size_t i = path.size(); i-- > 0;) entries_.splice(entries_.end(), entries_, path[i]);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const auto& entry : path) sequence.groups[g].append_shared(entry->blocks[g]);
  }
  sequence.cached = static_cast<std::int32_t>(path.size()) * static_cast<std::int32_t>(kBlockTokens);
  sequence.remembered = static_cast<std::int32_t>(path.size());
  sequence.last_remembered = path.empty() ? 0 : path.back()->id;
  return sequence.cached;
}

void PrefixCache::add(std::span<const std::int32_t> tokens, CachedSequence& sequence) {
  if (limit_entries_ == 0) return;
  std::int64_t end = sequence.cached / kBlockTokens;
  if (max_tokens_ > 0) {
    end = sequence.rotated_as > max_tokens_ ? 0 : std::min<std::int64_t>(end, max_tokens_ / kBlockTokens);
  }
  for (std::int64_t i = sequence.remembered; i < end; ++i) {
    const auto block = tokens.subspan(static_cast<std::size_t>(i * kBlockTokens), kBlockTokens);
    const std::uint64_t hash = hash_of(sequence.last_remembered, block);
    auto entry = find(sequence.last_remembered, block, hash);
    if (entry == entries_.end()) {
      if (entries_.size() >= limit_entries_ && !evict()) return;
      entry = entries_.insert(
          entries_.end(),
          Entry{next_id_++, sequence.last_remembered, hash, {block.begin(), block.end()}, {}});
      for (const BlockList& list : sequence.groups) {
        std::byte* held = list.data()[i];
        if (held != nullptr) BlockPool::share(held);
        entry->blocks.push_back(held);
      }
      by_hash_.emplace(hash, entry);
    }
    sequence.last_remembered = entry->id;
    sequence.remembered = static_cast<std::int32_t>(i + 1);
  }
}

bool PrefixCache::evict() {
  if (entries_.empty()) return false;
  evict(entries_.size() / 8 + 1);
  return true;
}

void PrefixCache::evict(std::size_t count) {
  for (; count > 0 && !entries_.empty(); --count) forget(entries_.begin());
}

void PrefixCache::forget(Entries::iterator entry) {
  for (std::size_t g = 0; g < pools_.size(); ++g) {
    if (entry->blocks[g] != nullptr) pools_[g]->release(entry->blocks[g]);
  }
  const auto [begin, end] = by_hash_.equal_range(entry->hash);
  by_hash_.erase(std::find_if(begin, end, [&](const auto& slot) { return slot.second == entry; }));
  entries_.erase(entry);
}

}  // namespace attend
