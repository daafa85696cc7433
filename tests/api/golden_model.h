// A tiny checkpoint of tests/goldens with the values that transformers computed for it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loaders/files/safetensors.h"

namespace attend::test {

inline std::filesystem::path goldens() {
  return std::filesystem::path(ATTEND_SOURCE_DIR) / "tests" / "goldens";
}

// Of every decoder-only architecture and rotary scaling.
inline const std::vector<std::string>& decoder_goldens() {
  static const std::vector<std::string> names = {"gpt2-tiny",
                                                 "gpt2-tiny-scaled",
                                                 "llama-tiny",
                                                 "llama-tiny-bias-tied",
                                                 "llama-tiny-linear",
                                                 "llama-tiny-llama3",
                                                 "llama-tiny-llama3-old",
                                                 "llama-tiny-dynamic",
                                                 "llama-tiny-yarn",
                                                 "llama-tiny-yarn-mscale",
                                                 "mistral-tiny",
                                                 "qwen2-tiny",
                                                 "qwen2-tiny-sliding",
                                                 "qwen3-tiny",
                                                 "gemma-tiny",
                                                 "gemma2-tiny",
                                                 "phi3-tiny",
                                                 "phi3-tiny-longrope"};
  return names;
}

inline double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return product / std::sqrt(aa * bb);
}

class Golden {
 public:
  explicit Golden(const std::string& name) : directory(goldens() / name) {
    if (std::filesystem::exists(directory / "expected.safetensors"))
      values_ = open_safetensors(directory / "expected.safetensors");
    std::ifstream file(directory / "expected.json");
    expected = nlohmann::json::parse(file);
  }

  std::vector<std::vector<std::int32_t>> inputs() const { return expected.at("inputs"); }
  bool has(const std::string& name) const { return values_->find(name) != nullptr; }
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const TensorInfo* tensor : values_->tensors()) {
      if (tensor->name.starts_with(prefix)) found.push_back(tensor->name.substr(prefix.size()));
    }
    return found;
  }
  // f32, row-major.
  std::vector<float> value(const std::string& name) const {
    const TensorInfo* tensor = values_->find(name);
    std::vector<float> values(static_cast<std::size_t>(tensor->shape.elements()));
    values_->read(*tensor, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }

  std::filesystem::path directory;
  nlohmann::json expected;

 private:
  std::unique_ptr<StoredTensors> values_;
};

}  // namespace attend::test
