// Whether generation options are in range and fit together.
#pragma once

#include <cstdint>

#include "attend/generation_config.h"

namespace attend {

// Throws a usage Error with one issue per finding: OPTION_RANGE (an option outside its range, with the range)
// or OPTION_CONFLICT (options that cannot be fulfilled together). `where` is the option's name. The
// constraints are those of transformers, whose `generate` refuses or warns; token ids must lie in [0,
// vocab_size).
void validate(const GenerationConfig& config, std::int64_t vocab_size);

}  // namespace attend
