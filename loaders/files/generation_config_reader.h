// The generation settings of a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>

#include "attend/generation_config.h"
#include "loaders/files/config_reader.h"

namespace attend {

// From `directory`/generation_config.json, which counts alone where it exists; otherwise from the
// generation keys of config.json as it is in the file (then from its `decoder`, `generator` or
// `text_config` object for keys it lacks). As in transformers, keys in neither have transformers' global
// defaults: what a model's Python class would default to does not matter.
//
// Token ids must lie in [0, vocab). Settings that ask for a mode attend does not have (contrastive search,
// beam groups, assisted decoding, ...) are refused by name (GEN_UNSUPPORTED) only when they would take
// effect. Refusals go to `config`, to be reported by its finish(); the result is usable after that only.
// Keys of generation_config.json that are not known are logged once.
GenerationConfig read_generation_config(const std::filesystem::path& directory, const ConfigReader& config,
                                        std::int64_t vocab);

}  // namespace attend
