#include "runtime/api/precision.h"

#include <algorithm>

#include "attend/error.h"
#include "engine/log.h"

namespace attend {
namespace {

std::string precision_name(DType weights) {
  return weights == DType::i8 ? "int8" : std::string(name(weights));
}

}  // namespace

Precision parse_precision(const std::string& dtype) {
  if (dtype == "auto") return Precision::automatic;
  if (dtype == "f32") return Precision::f32;
  if (dtype == "bf16") return Precision::bf16;
  if (dtype == "int8") return Precision::int8;
  throw usage_error("DTYPE_UNSUPPORTED", "--dtype",
                    "expected auto, f32, bf16 or int8, found '" + dtype + "'");
}

DType parse_kv_dtype(const std::string& dtype) {
  if (dtype == "f32") return DType::f32;
  if (dtype == "bf16") return DType::bf16;
  if (dtype == "int8") return DType::i8;
  throw usage_error("DTYPE_UNSUPPORTED", "--kv-dtype", "expected f32, bf16 or int8, found '" + dtype + "'");
}

std::string effective_kv_dtype(const ModelDef& def, const std::string& asked) {
  if (!def.states.empty()) return asked;
  if (asked != "f32") logger().warn("--kv-dtype {}: {} keeps no keys and values", asked, def.architecture);
  return "";
}

std::string effective_dtype(const CompiledModel& model, const std::string& asked) {
  const PrecisionBytes& bytes = model.matrix_bytes();
  if (bytes.empty()) return "f32";
  const auto most = std::max_element(bytes.begin(), bytes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& [dtype, count] : bytes) {
    if (asked == "auto" || precision_name(dtype) == asked) continue;
    logger().warn("--dtype {}: {:.1f} MB of weights are kept in {}, which this processor multiplies faster",
                  asked, static_cast<double>(count) / 1e6, precision_name(dtype));
  }
  return precision_name(most->first);
}

}  // namespace attend
