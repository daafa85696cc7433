// What every subcommand that loads a model shares: --threads, --dtype, --kv-dtype, --max-memory, --log-level.
#pragma once

#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> model_options();
std::vector<OptionSpec> log_options();

// Log messages go to standard error, from --log-level on. Throws a usage Error for an unknown level.
void set_up_logging(const Options& options);
// The options of a load; throws a usage Error for a value out of range.
LoadOptions load_options(const Options& options);
// The first positional argument; throws a usage Error without one.
std::string model_argument(const Options& options);
// Loads the model that the first argument names, with a progress bar.
Model load_model(const Options& options, LoadOptions load);

}  // namespace attend::cli
