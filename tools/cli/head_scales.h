// --mask-head: heads that are taken out or scaled, to see what they do.
#pragma once

#include <vector>

#include "attend/attend.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> head_scale_options();
// [KIND:]LAYER:HEAD[=SCALE]; throws a usage Error for anything else.
std::vector<HeadScale> parse_head_scales(const Options& options);

}  // namespace attend::cli
