#include "engine/model/model_def.h"

namespace attend {

std::set<std::string> used_tensors(const ModelDef& def) {
  std::set<std::string> used;
  for (const auto& [name, graph] : def.graphs) {
    for (const Node& node : graph.nodes) {
      for (const WeightRef& ref : node.weights) used.insert(ref.tensor);
    }
  }
  return used;
}

}  // namespace attend
