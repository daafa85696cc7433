// What a model takes, from its definition alone.
#pragma once

#include <cstdint>

#include "attend/inspect.h"
#include "engine/model/model_def.h"
#include "engine/plan/weight_loader.h"

namespace attend {

// Elements of the tensors that the graphs use, each once.
std::int64_t weight_elements(const ModelDef& def);
// `cached`: the type of the keys and values that are kept.
MemoryPlan memory_plan(const ModelDef& def, const WeightStore& store, Precision precision, DType cached);
// Throws Error (CFG_MEMORY) when the weights need more than `limit` bytes.
void check_memory(const ModelDef& def, const WeightStore& store, Precision precision, std::uint64_t limit);

}  // namespace attend
