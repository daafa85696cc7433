// Runs a list of inputs with a fixed number in flight and measures it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "attend/attend.h"

namespace attend::cli {

struct Measurement {
  double seconds = 0;
  std::vector<double> latencies_ms;  // from submission to the result, for each input
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;  // of the sequences returned
  std::int64_t sequences = 0;
};

// Throws the first Error of a request.
Measurement measure(const Model& model, const std::vector<Input>& inputs, const GenerationConfig& generation,
                    std::size_t in_flight);

}  // namespace attend::cli
