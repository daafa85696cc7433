// How a checkpoint says that its weights are quantised: "quantization_config" in config.json, as in Hugging
// Face's checkpoints, or in graph.json.
//
//   "quantization_config": {
//     "quant_method": "attend", "version": 1,
//     "weights": "int8",                  I8, symmetric, from -127 to 127: w = q * scale
//     "granularity": "output",            a scale for every output of a matrix, row of a table
//     "scales": "{tensor}_scale",         F32 tensors beside them
//     "activations": "dynamic"            rounded at run time, a scale for every row
//   }
//
// `attend quantize` writes it; engine/model/quantized_weights.h tells what the tensors look like.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "loaders/files/config_reader.h"

namespace attend {

inline constexpr const char* kQuantizationKey = "quantization_config";

// The block above.
nlohmann::ordered_json quantization_config();

// Whether `config` has it. Any other block is refused (CFG_QUANTIZATION), naming its method.
bool read_quantization(const ConfigReader& config);

}  // namespace attend
