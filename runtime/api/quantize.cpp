#include "attend/quantize.h"

#include "attend/error.h"
#include "loaders/quantize_model.h"

namespace attend {

QuantizeSummary quantize(const std::filesystem::path& model, const std::filesystem::path& out,
                         const QuantizeOptions& options) {
  if (options.dtype != "int8") {
    throw usage_error(
        "DTYPE_UNSUPPORTED", "--dtype",
        "expected int8, the precision that weights can be stored in; found '" + options.dtype + "'");
  }
  const auto step = [&](double fraction) {
    if (options.cancelled && options.cancelled()) {
      throw Error("CANCELLED", out.string(), "cancelled; nothing was written", ErrorCategory::cancelled);
    }
    if (options.progress) options.progress(fraction);
  };
  const QuantizedModel done = quantize_model(model, out, step);
  return {.tensors = done.tensors,
          .quantized_tensors = done.quantized_tensors,
          .weights_file_bytes = done.weights_file_bytes,
          .quantized_file_bytes = done.quantized_file_bytes};
}

}  // namespace attend
