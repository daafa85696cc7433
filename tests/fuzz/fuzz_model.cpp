// config.json from any bytes over the tensors of the golden models: a typed error, or a definition that
// passes every check of graphs. Seeds: the goldens' config.json. Runs from the root of the repository.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "engine/graph/check.h"
#include "engine/log.h"
#include "loaders/files/generation_config_reader.h"
#include "loaders/files/safetensors.h"
#include "loaders/models/architecture.h"

namespace {

using Stores = std::map<std::string, std::vector<std::unique_ptr<attend::StoredTensors>>, std::less<>>;

std::vector<std::string> supported() {
  std::vector<std::string> names;
  for (const attend::Architecture& architecture : attend::architectures())
    names.emplace_back(architecture.name);
  return names;
}

// The goldens' tensors by architecture.
const Stores& stores() {
  static const Stores all = [] {
    Stores found;
    for (const auto& entry : std::filesystem::directory_iterator("tests/goldens")) {
      const std::filesystem::path weights = entry.path() / "model.safetensors";
      if (!std::filesystem::exists(entry.path() / "config.json") || !std::filesystem::exists(weights))
        continue;
      const attend::ConfigReader config(entry.path());
      found[config.architecture(supported())].push_back(attend::open_safetensors(weights));
    }
    return found;
  }();
  return all;
}

void build(std::string_view text, const attend::StoredTensors& store,
           const attend::Architecture& architecture) {
  try {
    const attend::ConfigReader config = attend::ConfigReader::from_text(text, "fuzz");
    attend::Checkpoint checkpoint(store);
    const std::int64_t vocab =
        config.optional_int("vocab_size", attend::kVocabRange.max, attend::kVocabRange);
    attend::read_generation_config("/nowhere", config, vocab);
    const attend::ModelDef model = architecture.build(config, checkpoint);
    if (!checkpoint.finish().empty()) return;
    for (const attend::GraphFinding& finding : attend::check_graphs(model)) {
      std::fprintf(stderr, "%s, node %d, %s: %s\n", finding.graph.c_str(), finding.node,
                   finding.field.c_str(), finding.message.c_str());
      std::abort();
    }
  } catch (const attend::Error&) {
  }
}

}  // namespace

// Warnings are no findings.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  attend::configure_logger("error", {});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string name;
  try {
    name = attend::ConfigReader::from_text(text, "fuzz").architecture(supported());
  } catch (const attend::Error&) {
    return 0;
  }
  const attend::Architecture* architecture = attend::find_architecture(name);
  if (architecture == nullptr) return 0;
  const auto found = stores().find(name);
  if (found == stores().end()) return 0;
  for (const auto& store : found->second) build(text, *store, *architecture);
  return 0;
}
