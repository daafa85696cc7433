#include "runtime/scheduler/step_hooks.h"

#include <algorithm>

namespace attend {

void StepHooks::clear() {
  hooks_.probes.clear();
  hooks_.scalings.clear();
  hooks_.queries.clear();
}

void StepHooks::add(const RequestHooks& hooks, std::int32_t first_row, std::int32_t rows, std::int32_t past) {
  if (rows == 0) return;
  for (AttentionProbe probe : hooks.probes) {
    probe.weights.first_row = first_row;
    probe.weights.rows = rows;
    probe.weights.weights += past * probe.weights.row_stride;
    probe.first_input = past;
    hooks_.probes.push_back(probe);
  }
  for (HeadScaling scaling : hooks.scalings) {
    scaling.first_row = first_row;
    scaling.rows = rows;
    hooks_.scalings.push_back(scaling);
  }
  for (OwnQueries queries : hooks.queries) {
    queries.row = first_row;
    hooks_.queries.push_back(queries);
  }
}

AttentionHooks StepHooks::view() {
  std::ranges::stable_sort(hooks_.probes, {}, &AttentionProbe::node);
  std::ranges::stable_sort(hooks_.scalings, {}, &HeadScaling::node);
  std::ranges::stable_sort(hooks_.queries, {}, &OwnQueries::node);
  return {hooks_.probes, hooks_.scalings, hooks_.queries};
}

}  // namespace attend
