// A weight store as a model definition sees it: names resolved by the checkpoint's conventions, use recorded.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "engine/model/weight_store.h"

namespace attend {

// Published checkpoints of one architecture spell their tensors in several ways. The rules given here are
// tried in order for every wanted name; what no rule finds is reported, and so is what nobody used.
class Checkpoint {
 public:
  explicit Checkpoint(const WeightStore& store) : store_(&store) {}

  // The names of one tied matrix: whichever of them is stored serves all, the earliest given first. Several
  // that are stored with different values are not one matrix, as in transformers: each stays its own.
  void tie(std::vector<std::string> names);
  // A leading part that may be missing or present: "model." in "model.encoder.layers.0...".
  void optional_prefix(std::string prefix) { prefixes_.push_back(std::move(prefix)); }
  // An older spelling of the end of a name: ("LayerNorm.weight", "LayerNorm.gamma").
  void spelling(std::string suffix, std::string older) {
    spellings_.emplace_back(std::move(suffix), std::move(older));
  }
  // Tensors that are known and rightly unused; '*' matches any run of characters.
  void ignore(std::vector<std::string> patterns);
  // Matrices may be in 8 bits, with their scales beside them (engine/model/quantized_weights.h); whether the
  // right ones are is check_quantized()'s to say.
  void allow_quantized() { quantized_ = true; }
  // Whether the dtype of a tensor is one that can be computed with.
  bool readable(const TensorInfo& tensor) const;

  // The stored tensor for `name`, marked as used; null when there is none.
  const TensorInfo* use(std::string_view name);
  bool has(std::string_view name) const { return resolve(name) != nullptr; }
  // As use(), and collects an issue when the tensor is missing, or when its shape or dtype differs.
  const TensorInfo* require(std::string_view name, const Shape& shape);

  void add_issue(Issue issue) { issues_.push_back(std::move(issue)); }
  // Every missing, misshapen and unused tensor so far; the definition is complete when it calls this.
  std::vector<Issue> finish();
  const WeightStore& store() const { return *store_; }

 private:
  struct Tie {
    std::vector<std::string> names;
    mutable std::set<std::string, std::less<>> apart{};  // stored tensors known to differ from the first
    mutable std::set<std::string, std::less<>> equal{};  // or to be the same
  };

  const TensorInfo* resolve(std::string_view name) const;
  const TensorInfo* resolve_spelled(const std::string& name) const;
  const Tie* tie_of(std::string_view name) const;
  // The stored tensors of the tie that are one with its first, the first among them.
  std::vector<const TensorInfo*> copies(const Tie& tie) const;
  bool same_values(const TensorInfo& a, const TensorInfo& b) const;
  void mark_used(const TensorInfo& tensor);

  const WeightStore* store_;
  bool quantized_ = false;
  std::vector<Tie> ties_;
  std::vector<std::string> prefixes_;
  std::vector<std::pair<std::string, std::string>> spellings_;
  std::vector<std::string> ignored_;
  std::set<std::string, std::less<>> used_;
  std::set<std::string, std::less<>> missing_;
  std::vector<Issue> issues_;
};

// Whether `text` matches `pattern`, in which '*' stands for any run of characters.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace attend
