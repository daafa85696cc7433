// A read-only trie over byte strings: all keys that are a prefix of a text, in one walk.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attend {

class ByteTrie {
 public:
  static constexpr std::uint32_t kRoot = 0;

  ByteTrie() = default;
  // Keys are distinct and not empty; values are not negative.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys);

  bool empty() const { return nodes_.size() <= 1; }

  // Follows `byte` from `node`; false when no key goes on there.
  bool step(std::uint32_t& node, unsigned char byte) const {
    std::uint32_t first = nodes_[node].first_child;
    std::uint32_t count = nodes_[node].children;
    while (count > 0) {
      const std::uint32_t half = count / 2;
      if (nodes_[first + half].label == byte) {
        node = first + half;
        return true;
      }
      if (nodes_[first + half].label < byte) {
        first += half + 1;
        count -= half + 1;
      } else {
        count = half;
      }
    }
    return false;
  }
  // The value of the key that ends at `node`, -1 when none does.
  std::int32_t value(std::uint32_t node) const { return nodes_[node].value; }

  // Length of the longest key that `text` starts with; 0 when none does.
  std::size_t longest_prefix(std::string_view text) const;

 private:
  // Children of a node lie side by side, sorted by label.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    unsigned char label = 0;
    std::int32_t value = -1;
  };
  std::vector<Node> nodes_{Node{}};
};

}  // namespace attend
