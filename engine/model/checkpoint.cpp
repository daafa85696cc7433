#include "engine/model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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
  ties_.push_back(std::move(names));
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

const TensorInfo* Checkpoint::resolve(std::string_view name) const {
  for (const std::vector<std::string>& names : ties_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    for (const std::string& alias : names) {
      if (const TensorInfo* found = resolve_spelled(alias)) return found;
    }
  }
  return resolve_spelled(std::string(name));
}

const TensorInfo* Checkpoint::use(std::string_view name) {
  const TensorInfo* found = resolve(name);
  if (found != nullptr) used_.insert(found->name);
  // A tied matrix that is stored several times is one matrix.
  for (const std::vector<std::string>& names : ties_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    for (const std::string& alias : names) {
      if (const TensorInfo* copy = resolve_spelled(alias)) used_.insert(copy->name);
    }
  }
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
  if (!is_floating(found->dtype)) {
    add_issue({"MODEL_TENSOR_DTYPE", found->file + ": " + found->name,
               fmt::format("tensor {}: expected f64, f32, f16 or bf16, found {}", found->name,
                           attend::name(found->dtype))});
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
