// graph.json from any bytes over the tensors of two golden models: a typed error, or a graph that passes
// every check and is the same after it was written and read again. Runs from the root of the repository.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "engine/graph/check.h"
#include "loaders/files/safetensors.h"
#include "loaders/graph/graph_file.h"

namespace {

// The tensors of both models; no values, which nothing of this reads.
class Shapes final : public attend::WeightStore {
 public:
  Shapes() {
    for (const char* name : {"graph-parallel-tiny", "graph-mean-tiny"}) {
      const std::string path = std::string("tests/goldens/") + name + "/model.safetensors";
      stores_.push_back(attend::open_safetensors(path));
    }
  }
  const attend::TensorInfo* find(std::string_view name) const override {
    for (const auto& store : stores_) {
      if (const attend::TensorInfo* found = store->find(name)) return found;
    }
    return nullptr;
  }
  std::vector<const attend::TensorInfo*> tensors() const override {
    std::vector<const attend::TensorInfo*> all;
    for (const auto& store : stores_) {
      for (const attend::TensorInfo* tensor : store->tensors()) all.push_back(tensor);
    }
    return all;
  }
  void read(const attend::TensorInfo&, std::uint64_t, std::span<std::byte>) const override { std::abort(); }

 private:
  std::vector<std::unique_ptr<attend::StoredTensors>> stores_;
};

const Shapes& shapes() {
  static const Shapes store;
  return store;
}

attend::ModelDef read(std::string_view text, std::vector<attend::Issue>& issues) {
  attend::Checkpoint checkpoint(shapes());
  attend::ModelDef model = attend::read_graph(text, "graph.json", "/nowhere", checkpoint);
  for (attend::Issue& issue : checkpoint.finish()) {
    if (issue.kind != "MODEL_TENSOR_UNUSED") issues.push_back(std::move(issue));  // the other model's
  }
  return model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<attend::Issue> issues;
  attend::ModelDef model;
  try {
    model = read(text, issues);
  } catch (const attend::Error&) {
    return 0;
  }
  if (!issues.empty()) return 0;
  if (!attend::check_graphs(model).empty()) std::abort();
  const std::string written = attend::write_graph(model, shapes());
  std::vector<attend::Issue> again;
  if (attend::write_graph(read(written, again), shapes()) != written || !again.empty()) {
    std::fputs(written.c_str(), stderr);
    std::abort();
  }
  attend::write_dot(model);
  return 0;
}
