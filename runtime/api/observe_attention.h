// Attention maps: one pass over known tokens, with the probes that a request asks for.
//
// What is generated is generated first, by an ordinary request. The pass that is observed then reads the
// sequence that came out: rows have the same bits in one pass as step by step, so the maps are those of the
// steps, beams and preemption or not.
#pragma once

#include <functional>

#include "attend/attend.h"
#include "engine/model/model_def.h"
#include "runtime/scheduler/scheduler.h"

namespace attend {

struct AttentionEnvironment {
  const ModelDef& def;
  const Tokenizer* tokenizer;  // may be null
  Scheduler& scheduler;
  std::function<Ticket(Request)> submit;
};

// Throws Error.
AttentionResult observe_attention(const AttentionEnvironment& environment, const AttentionRequest& request);

}  // namespace attend
