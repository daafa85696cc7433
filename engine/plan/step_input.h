// One step's input to a graph: packed ragged tokens and the views of state that the runtime owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attend {

// Tokens of one cache block. Keys are stored transposed within a block, so that the scores of a query against
// a whole block need no horizontal sums; see engine/kernels/attention.h for the layout.
constexpr std::int64_t kBlockTokens = 16;

// The blocks of one sequence, in order, for one cache group.
using BlockTable = std::byte* const*;

// Consecutive rows of a step that belong to one sequence.
struct SequenceSpan {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t past = 0;  // tokens of this sequence that are in the cache already
  // One block table per cache group, covering past + rows tokens; null for encoders, which keep nothing.
  const BlockTable* tables = nullptr;
  // Rotations that depend on the sequence's length take each row for part of at least so many tokens: the
  // prompt's length, so that cutting it into chunks changes nothing. 0: past + rows.
  std::int32_t rotated_as = 0;
};

// Consecutive rows that attend to the keys and values of one source: all beams of a request. In the graph
// that writes them (the encoder), the rows are the source's own.
struct CrossSpan {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t keys = 0;  // source tokens
  BlockTable blocks = nullptr;
};

struct StepInput {
  std::span<const std::int32_t> tokens;       // [T]
  std::span<const std::int32_t> positions;    // [T]
  std::span<const std::int32_t> token_types;  // [T], or empty when the graph has none
  std::span<const SequenceSpan> sequences;    // [B]
  std::span<const CrossSpan> cross;
  std::span<const std::int32_t> sampled_rows;  // [R], ascending
};

}  // namespace attend
