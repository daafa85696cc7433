// Keys of config.json whose meaning is the same in every model.
#pragma once

#include <string_view>

namespace attend {

// Keys that do not change what a model computes: names, versions, training and output settings. Generation
// keys count among them: generation_config_reader.h reads those.
bool changes_nothing(std::string_view key);

// Keys by which a checkpoint asks for code of its own to run.
bool runs_code(std::string_view key);

// Keys of transformers' GenerationConfig.
bool is_generation_key(std::string_view key);

}  // namespace attend
