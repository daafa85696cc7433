// Rotary positions and their scalings, as config.json describes them for every decoder.
#pragma once

#include <cstdint>

#include "engine/graph/attributes.h"
#include "loaders/files/config_reader.h"

namespace attend {

struct RopeConfig {
  Rope rope;
  std::int64_t max_positions = 0;  // the longest sequence, with what the scaling adds
};

struct RopeOptions {
  std::int64_t head_dim = 0;
  std::int64_t positions = 0;   // max_position_embeddings
  bool partial = false;         // partial_rotary_factor may be below 1
  bool phi3_spellings = false;  // "su" and "yarn" mean longrope
};

// Reads rope_parameters, or rope_scaling and rope_theta as they were written before transformers 5; refuses a
// type that is not known (CFG_ROPE). Frequencies are computed in f32, step by step as transformers does:
//   default   arXiv:2104.09864
//   linear    arXiv:2306.15595
//   dynamic   base that grows with the sequence (see engine/graph/attributes.h)
//   yarn      arXiv:2309.00071
//   longrope  arXiv:2402.13753
//   llama3    arXiv:2407.21783
RopeConfig read_rope(const ConfigReader& config, const RopeOptions& options);

}  // namespace attend
