#include "engine/plan/cache_layout.h"

namespace attend {

CacheLayout::CacheLayout(const std::vector<StateSpec>& states) {
  for (const StateSpec& state : states) {
    std::vector<CacheGroup>& kind = state.kind == StateSpec::self ? self : cross;
    std::size_t group = 0;
    while (group < kind.size() && kind[group].window != state.window) ++group;
    if (group == kind.size()) kind.push_back({state.kind, state.window, 0});
    const KvSlice slice{kind[group].block_floats, state.kv_heads, state.head_dim};
    kind[group].block_floats += slice.size();
    slices.push_back(slice);
    groups.push_back(static_cast<int>(group));
  }
}

}  // namespace attend
