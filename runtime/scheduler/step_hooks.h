// Attention hooks of requests, and how they become those of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/plan/attention_hooks.h"

namespace attend {

// Of one request and graph. Rows count from the request's first token; those of head scalings are left open:
// they hold for all of them. Memory that hooks write to belongs to who asks, until the request is done.
struct RequestHooks {
  std::vector<AttentionProbe> probes;
  std::vector<HeadScaling> scalings;
  std::vector<OwnQueries> queries;
};

class StepHooks {
 public:
  void clear();
  // Those of a request whose rows in the step are [first_row, first_row + rows), `past` tokens after its
  // first.
  void add(const RequestHooks& hooks, std::int32_t first_row, std::int32_t rows, std::int32_t past);
  // Valid until the next change.
  AttentionHooks view();

 private:
  RequestHooks hooks_;
};

}  // namespace attend
