// One step's rows, packed sequence after sequence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/plan/step_input.h"

namespace attend {

class Batch {
 public:
  void clear() {
    tokens_.clear();
    positions_.clear();
    types_.clear();
    sequences_.clear();
    cross_.clear();
    sampled_.clear();
    tables_.clear();
  }

  std::int32_t rows() const { return static_cast<std::int32_t>(tokens_.size()); }
  std::int32_t sampled() const { return static_cast<std::int32_t>(sampled_.size()); }
  std::int32_t sequences() const { return static_cast<std::int32_t>(sequences_.size()); }

  // Appends tokens that follow `past` tokens of the same sequence. `groups` block tables follow by
  // add_table().
  void add_sequence(std::span<const std::int32_t> tokens, std::span<const std::int32_t> types,
                    std::int32_t past, std::int32_t rotated_as = 0) {
    sequences_.push_back({rows(), static_cast<std::int32_t>(tokens.size()), past, nullptr, rotated_as});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens_.push_back(tokens[i]);
      positions_.push_back(past + static_cast<std::int32_t>(i));
      types_.push_back(types.empty() ? 0 : types[i]);
    }
  }
  void add_table(BlockTable table) { tables_.push_back(table); }
  void sample_last_rows(std::int32_t count) {
    for (std::int32_t row = rows() - count; row < rows(); ++row) sampled_.push_back(row);
  }
  // The wanted rows of the sequence at [first, first + rows), or all of them.
  void sample_rows(std::int32_t first, std::int32_t rows, std::span<const std::int32_t> wanted) {
    if (wanted.empty()) {
      for (std::int32_t row = 0; row < rows; ++row) sampled_.push_back(first + row);
    }
    for (const std::int32_t row : wanted) sampled_.push_back(first + row);
  }
  void add_cross(std::int32_t first_row, std::int32_t keys, BlockTable blocks) {
    cross_.push_back({first_row, rows() - first_row, keys, blocks});
  }

  // Valid until the batch changes.
  StepInput input(std::size_t groups) {
    for (std::size_t i = 0; i < sequences_.size() && groups > 0; ++i)
      sequences_[i].tables = tables_.data() + i * groups;
    return {tokens_, positions_, types_, sequences_, cross_, sampled_};
  }

 private:
  std::vector<std::int32_t> tokens_, positions_, types_, sampled_;
  std::vector<SequenceSpan> sequences_;
  std::vector<CrossSpan> cross_;
  std::vector<BlockTable> tables_;
};

}  // namespace attend
