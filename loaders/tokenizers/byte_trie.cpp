#include "loaders/tokenizers/byte_trie.h"

#include <algorithm>
#include <cstddef>

namespace attend {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys) {
  std::sort(keys.begin(), keys.end());
  struct Range {
    std::uint32_t node;
    std::size_t begin, end;  // of the keys below the node
    std::size_t depth;       // bytes of the keys that lead to it
  };
  // Breadth first, so that the children of one node are made together.
  std::vector<Range> ranges{{kRoot, 0, keys.size(), 0}};
  for (std::size_t next = 0; next < ranges.size(); ++next) {
    Range range = ranges[next];
    if (range.begin < range.end && keys[range.begin].first.size() == range.depth) {
      nodes_[range.node].value = keys[range.begin++].second;
    }
    nodes_[range.node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (range.begin < range.end) {
      const char label = keys[range.begin].first[range.depth];
      std::size_t end = range.begin;
      while (end < range.end && keys[end].first[range.depth] == label) ++end;
      const auto child = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back(Node{.label = static_cast<unsigned char>(label)});
      ++nodes_[range.node].children;
      ranges.push_back({child, range.begin, end, range.depth + 1});
      range.begin = end;
    }
  }
  nodes_.shrink_to_fit();
}

std::size_t ByteTrie::longest_prefix(std::string_view text) const {
  std::size_t longest = 0;
  std::uint32_t node = kRoot;
  for (std::size_t i = 0; i < text.size() && step(node, static_cast<unsigned char>(text[i])); ++i) {
    if (value(node) >= 0) longest = i + 1;
  }
  return longest;
}

}  // namespace attend
