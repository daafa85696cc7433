// A checkpoint in memory: random tensors made on demand for tests of the engine.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "attend/error.h"
#include "engine/model/weight_store.h"

namespace attend::test {

class MemoryStore final : public WeightStore {
 public:
  void add(const std::string& name, Shape shape, std::vector<float> values) {
    entries_[name] = {{name, DType::f32, shape, "memory"}, std::move(values)};
  }
  // Normal values; matrices are scaled so that products keep their size.
  void add_random(const std::string& name, Shape shape, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    const float scale = shape.rank() == 2 ? 1.0F / std::sqrt(static_cast<float>(shape[1])) : 0.3F;
    for (float& value : values) value = normal(random) * scale;
    add(name, shape, std::move(values));
  }
  const std::vector<float>& values(const std::string& name) const { return entries_.at(name).values; }

  const TensorInfo* find(std::string_view name) const override {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second.info;
  }
  std::vector<const TensorInfo*> tensors() const override {
    std::vector<const TensorInfo*> all;
    for (const auto& [name, entry] : entries_) all.push_back(&entry.info);
    return all;
  }
  void read(const TensorInfo& tensor, std::uint64_t first_byte, std::span<std::byte> dst) const override {
    std::memcpy(dst.data(), reinterpret_cast<const std::byte*>(values(tensor.name).data()) + first_byte,
                dst.size());
  }

 private:
  struct Entry {
    TensorInfo info;
    std::vector<float> values;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace attend::test
