// What every architecture's file includes, and the table of all of them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/builder.h"
#include "engine/model/checkpoint.h"
#include "engine/model/model_def.h"
#include "loaders/files/config_reader.h"

namespace attend {

// Builds the definition of one checkpoint. Reads its configuration and calls config.finish() before it builds
// anything from it; missing and misshapen tensors are collected in the checkpoint.
using BuildModel = ModelDef (*)(const ConfigReader& config, Checkpoint& checkpoint);

struct Architecture {
  std::string_view name;  // as config.json's "architectures" has it
  BuildModel build;
};

// In registry.cpp: one line per architecture.
std::span<const Architecture> architectures();
// Null when there is none of this name.
const Architecture* find_architecture(std::string_view name);

// Activations by their names in config.json; an unknown one is refused (CFG_VALUE).
Act read_activation(const ConfigReader& config, const ConfigKey& key, const std::string& fallback);

}  // namespace attend
