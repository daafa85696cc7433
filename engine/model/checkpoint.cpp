#include "engine/model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/log.h"
#include "engine/model/quantized_weights.h"

namespace attend {

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

void Checkpoint::tie(std::vector<std::string> names) {
  ties_.push_back({.names = std::move(names)});
}

void Checkpoint::ignore(std::vector<std::string> patterns) {
  ignored_.insert(ignored_.end(), patterns.begin(), patterns.end());
}

const TensorInfo* Checkpoint::resolve_spelled(const std::string& name) const {
  const auto prefixed = [&](const std::string& candidate) -> const TensorInfo* {
    if (const TensorInfo* found = store_->find(candidate)) return found;
    for (const std::string& prefix : prefixes_) {
      const TensorInfo* found = candidate.starts_with(prefix) ? store_->find(candidate.substr(prefix.size()))
                                                              : store_->find(prefix + candidate);
      if (found != nullptr) return found;
    }
    return nullptr;
  };
  if (const TensorInfo* found = prefixed(name)) return found;
  for (const auto& [suffix, older] : spellings_) {
    if (!name.ends_with(suffix)) continue;
    if (const TensorInfo* found = prefixed(name.substr(0, name.size() - suffix.size()) + older)) return found;
  }
  return nullptr;
}

const Checkpoint::Tie* Checkpoint::tie_of(std::string_view name) const {
  const auto found = std::find_if(ties_.begin(), ties_.end(), [&](const Tie& tie) {
    return std::find(tie.names.begin(), tie.names.end(), name) != tie.names.end();
  });
  return found == ties_.end() ? nullptr : &*found;
}

bool Checkpoint::same_values(const TensorInfo& a, const TensorInfo& b) const {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  if (store_->same_place(a, b)) return true;
  constexpr std::uint64_t kChunkBytes = 1 << 22;
  std::vector<std::byte> left(static_cast<std::size_t>(std::min(kChunkBytes, a.size_bytes())));
  std::vector<std::byte> right(left.size());
  for (std::uint64_t at = 0; at < a.size_bytes(); at += left.size()) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left.size(), a.size_bytes() - at));
    store_->read(a, at, {left.data(), count});
    store_->read(b, at, {right.data(), count});
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count), right.begin()))
      return false;
  }
  if (a.dtype != DType::i8) return true;
  const TensorInfo* left_scales = store_->find(scale_name(a.name));
  const TensorInfo* right_scales = store_->find(scale_name(b.name));
  return left_scales != nullptr && right_scales != nullptr && same_values(*left_scales, *right_scales);
}

std::vector<const TensorInfo*> Checkpoint::copies(const Tie& tie) const {
  std::vector<const TensorInfo*> stored;
  for (const std::string& alias : tie.names) {
    const TensorInfo* found = resolve_spelled(alias);
    if (found == nullptr || tie.apart.contains(found->name)) continue;
    if (!stored.empty() && found != stored.front() && !tie.equal.contains(found->name)) {
      const bool equal = same_values(*stored.front(), *found);
      (equal ? tie.equal : tie.apart).insert(found->name);
      if (!equal) {
        logger().warn(
            "{}: {} and {} should be one matrix but are stored with different values; each is used "
            "for its own",
            found->file, stored.front()->name, found->name);
        continue;
      }
    }
    stored.push_back(found);
  }
  return stored;
}

const TensorInfo* Checkpoint::resolve(std::string_view name) const {
  const TensorInfo* own = resolve_spelled(std::string(name));
  const Tie* tie = tie_of(name);
  if (tie == nullptr) return own;
  const std::vector<const TensorInfo*> tied = copies(*tie);
  if (own != nullptr && tie->apart.contains(own->name)) return own;
  return tied.empty() ? own : tied.front();
}

bool Checkpoint::readable(const TensorInfo& tensor) const {
  return is_floating(tensor.dtype) || (quantized_ && tensor.dtype == DType::i8);
}

void Checkpoint::mark_used(const TensorInfo& tensor) {
  used_.insert(tensor.name);
  if (quantized_ && tensor.dtype == DType::i8) used_.insert(scale_name(tensor.name));
}

const TensorInfo* Checkpoint::use(std::string_view name) {
  const TensorInfo* found = resolve(name);
  if (found == nullptr) return found;
  mark_used(*found);
  // A tied matrix that is stored several times is one matrix.
  const Tie* tie = tie_of(name);
  if (tie == nullptr || tie->apart.contains(found->name)) return found;
  for (const TensorInfo* copy : copies(*tie)) mark_used(*copy);
  return found;
}

const TensorInfo* Checkpoint::require(std::string_view name, const Shape& shape) {
  const TensorInfo* found = use(name);
  if (found == nullptr) {
    if (missing_.insert(std::string(name)).second) {
      add_issue({"MODEL_TENSOR_MISSING", std::string(name),
                 fmt::format("tensor {} of shape {} is missing from the checkpoint", name, shape.str())});
    }
    return nullptr;
  }
  if (found->shape != shape) {
    add_issue({"MODEL_TENSOR_SHAPE", found->file + ": " + found->name,
               fmt::format("tensor {}: expected shape {} (from config.json), found {}", found->name,
                           shape.str(), found->shape.str())});
    return nullptr;
  }
  if (!readable(*found)) {
    add_issue({"MODEL_TENSOR_DTYPE", found->file + ": " + found->name,
               fmt::format("tensor {}: expected f64, f32, f16 or bf16, found {}{}", found->name,
                           attend::name(found->dtype),
                           found->dtype == DType::i8
                               ? ", without a quantization_config that says what it stands for"
                               : "")});
    return nullptr;
  }
  return found;
}

std::vector<Issue> Checkpoint::finish() {
  constexpr std::size_t kMaxListed = 20;
  std::vector<Issue> issues = issues_;
  std::vector<std::string> unused;
  for (const TensorInfo* tensor : store_->tensors()) {
    if (used_.contains(tensor->name)) continue;
    const bool ignored = std::any_of(ignored_.begin(), ignored_.end(), [&](const std::string& pattern) {
      return glob_match(pattern, tensor->name);
    });
    if (!ignored) unused.push_back(tensor->name);
  }
  for (std::size_t i = 0; i < std::min(unused.size(), kMaxListed); ++i) {
    issues.push_back({"MODEL_TENSOR_UNUSED", unused[i],
                      fmt::format("tensor {} is in the checkpoint but this architecture does not use it; the "
                                  "result would not be the model's",
                                  unused[i])});
  }
  if (unused.size() > kMaxListed) {
    issues.push_back({"MODEL_TENSOR_UNUSED", "checkpoint",
                      fmt::format("and {} more unused tensors", unused.size() - kMaxListed)});
  }
  return issues;
}

}  // namespace attend
