#include "engine/plan/cache_layout.h"

namespace attend {

CacheLayout::CacheLayout(const std::vector<StateSpec>& states, DType elements) : dtype(elements) {
  for (const StateSpec& state : states) {
    std::vector<CacheGroup>& kind = state.kind == StateSpec::self ? self : cross;
    std::size_t group = 0;
    while (group < kind.size() && kind[group].window != state.window) ++group;
    if (group == kind.size()) kind.push_back({state.kind, state.window, 0});
    const KvSlice slice{kind[group].block_bytes, state.kv_heads, state.head_dim, elements};
    kind[group].block_bytes += slice.size_bytes();
    slices.push_back(slice);
    groups.push_back(static_cast<int>(group));
  }
}

std::uint64_t CacheLayout::bytes_per_token(const std::vector<CacheGroup>& groups) {
  std::uint64_t bytes = 0;
  for (const CacheGroup& group : groups)
    bytes += static_cast<std::uint64_t>(group.block_bytes / kBlockTokens);
  return bytes;
}

}  // namespace attend
