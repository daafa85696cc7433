#include "engine/plan/plan.h"

#include <algorithm>

#include "engine/nodes/kernel.h"

namespace attend {
namespace {

class Planner {
 public:
  Planner(const Graph& graph, Fusion fusion) : graph_(graph), last_use_(graph.values.size(), -1) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (int input : graph.nodes[n].inputs) last_use_[at(input)] = static_cast<int>(n);
    }
    const int end = static_cast<int>(graph.nodes.size());
    for (const NamedValue& output : graph.outputs) last_use_[at(output.value)] = end;
    plan_.slot_of.assign(graph.values.size(), -1);
    fused_into_.assign(graph.nodes.size(), -1);
    if (fusion == Fusion::residuals) find_fusions();
  }

  Plan run() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (absorbed(static_cast<int>(n))) {
        release_inputs(static_cast<int>(n));
        continue;
      }
      place(static_cast<int>(n));
      release_inputs(static_cast<int>(n));
    }
    return std::move(plan_);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  int uses(int value) const {
    int count = 0;
    for (const Node& node : graph_.nodes)
      count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), value));
    for (const NamedValue& output : graph_.outputs) count += output.value == value ? 1 : 0;
    return count;
  }

  // add(a, f(...)): f adds into a's slot, when a is dead afterwards and f has read its inputs by then.
  void find_fusions() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (!std::holds_alternative<Add>(node.op)) continue;
      for (const int side : {1, 0}) {
        const int sum = node.inputs[at(side)];
        const int residual = node.inputs[at(1 - side)];
        const int producer = graph_.values[at(sum)].producer;
        if (producer < 0 || uses(sum) != 1 || last_use_[at(residual)] != static_cast<int>(n)) continue;
        const Node& source = graph_.nodes[at(producer)];
        // The residual must exist before the producer runs, and nothing between may still read it.
        const int residual_producer = graph_.values[at(residual)].producer;
        if (!can_accumulate(source.op) || residual_producer < 0 || residual_producer >= producer) continue;
        const bool reads_residual =
            std::find(source.inputs.begin(), source.inputs.end(), residual) != source.inputs.end();
        if (reads_residual && std::holds_alternative<Linear>(source.op)) continue;
        if (read_between(residual, producer, static_cast<int>(n))) continue;
        fused_into_[n] = producer;
        break;
      }
    }
  }

  bool read_between(int value, int first, int last) const {
    for (int n = first + 1; n < last; ++n) {
      const Node& node = graph_.nodes[at(n)];
      if (std::find(node.inputs.begin(), node.inputs.end(), value) != node.inputs.end()) return true;
    }
    return false;
  }

  bool absorbed(int node) const { return fused_into_[at(node)] >= 0; }

  // The add that `node` computes on its way out, or -1.
  int fused_add(int node) const {
    const auto found = std::find(fused_into_.begin(), fused_into_.end(), node);
    return found == fused_into_.end() ? -1 : static_cast<int>(found - fused_into_.begin());
  }

  void place(int n) {
    const Node& node = graph_.nodes[at(n)];
    const int add = fused_add(n);
    if (add >= 0) {
      const Node& sum = graph_.nodes[at(add)];
      const int residual = sum.inputs[0] == node.output ? sum.inputs[1] : sum.inputs[0];
      plan_.slot_of[at(sum.output)] = plan_.slot_of[at(residual)];
      plan_.nodes.push_back({n, sum.output, true});
      return;
    }
    if (node.output >= 0) {
      const ValueInfo& info = graph_.values[at(node.output)];
      int slot = -1;
      if (runs_in_place(node.op)) {
        const int input = node.inputs[0];
        const bool dead = last_use_[at(input)] == n && graph_.values[at(input)].width == info.width;
        if (dead) slot = plan_.slot_of[at(input)];
      }
      plan_.slot_of[at(node.output)] = slot >= 0 ? slot : take_slot(info);
    }
    plan_.nodes.push_back({n, node.output, false});
  }

  int take_slot(const ValueInfo& info) {
    for (std::size_t i = 0; i < free_.size(); ++i) {
      Slot& slot = plan_.slots[at(free_[i])];
      if (slot.rows != info.rows) continue;
      const int id = free_[i];
      slot.width = std::max(slot.width, info.width);
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return id;
    }
    plan_.slots.push_back({info.rows, info.width});
    return static_cast<int>(plan_.slots.size()) - 1;
  }

  void release_inputs(int n) {
    const Node& node = graph_.nodes[at(n)];
    for (const int input : node.inputs) {
      const int slot = plan_.slot_of[at(input)];
      if (slot < 0 || last_use_[at(input)] != n) continue;
      // Still held by a value that took its place.
      const bool passed_on = node.output >= 0 && plan_.slot_of[at(node.output)] == slot;
      if (!passed_on && std::find(free_.begin(), free_.end(), slot) == free_.end()) free_.push_back(slot);
    }
  }

  const Graph& graph_;
  std::vector<int> last_use_;    // value -> node index of its last reader
  std::vector<int> fused_into_;  // add node -> the node that computes it, or -1
  std::vector<int> free_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const Graph& graph, Fusion fusion) {
  return Planner(graph, fusion).run();
}

}  // namespace attend
