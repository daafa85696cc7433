// The generation options of the command line: names and defaults of generation_config.json.
#pragma once

#include <vector>

#include "attend/generation_config.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> generation_options();
// `config` (the checkpoint's own options) with what the command line says instead; a flag wins over the file.
// Throws a usage Error that names the option and its range.
GenerationConfig apply_generation_options(const Options& options, GenerationConfig config);

}  // namespace attend::cli
