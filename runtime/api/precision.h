// Which precision was asked for, and which one a model got.
#pragma once

#include <string>

#include "engine/plan/compiled_model.h"

namespace attend {

// "auto", "f32", "bf16" or "int8"; throws a usage error for another.
Precision parse_precision(const std::string& dtype);

// "f32", "bf16" or "int8", of cached keys and values; throws a usage error for another.
DType parse_kv_dtype(const std::string& dtype);
// The cache's, as `kv_dtype` calls it; "" where the model keeps no keys and values, which is said when
// another than the default was asked for.
std::string effective_kv_dtype(const ModelDef& def, const std::string& asked);

// "f32", "bf16" or "int8": the precision of most of the matrices. What was asked for and is not kept so,
// because this processor has no instructions for it or slow ones, is logged.
std::string effective_dtype(const CompiledModel& model, const std::string& asked);

}  // namespace attend
