// Which task a call is about.
#pragma once

#include <string>

#include "attend/attend.h"
#include "tools/cli/options.h"

namespace attend::cli {

// --task by any of its names, or the checkpoint's default; throws a usage Error that lists what it can do.
std::string choose_task(const Options& options, const ModelInfo& info);

}  // namespace attend::cli
