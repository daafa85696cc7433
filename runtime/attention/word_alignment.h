// Words of a text, and which word of a translation stands for which of its source.
//
// The heads that count. The weights P of a head over a sentence, [T target tokens, S source tokens], are a
// joint distribution P / T. How much it tells, the mutual information of target and source position
//   I = H(mean over rows) - mean over rows of H(row)      [nats]
// is high exactly when rows are peaked and different rows point to different places. Heads of the upper half
// of the layers with at least 0.8 of the best I are averaged: lower layers tend to look at the source of the
// token just read, not of the one being written (Chen et al. 2020, arXiv:2004.14837).
//
// The links. A target word's row is the mean of its tokens' rows, a source word's column the sum of its
// tokens'; the target word is linked to the source word with the largest weight, unless special tokens
// together have more than half of the row.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attend/attention.h"

namespace attend {

// Runs of letters, marks and digits (with apostrophes and hyphens inside), and single other characters.
// Scripts that put no spaces between words (Chinese, Japanese, Thai, ...) are cut where tokens begin as well:
// there the vocabulary's pieces are the words.
std::vector<AlignedWord> words_of(const std::string& text, std::span<const AttentionToken> tokens);

// Mutual information, in nats, of rows that each sum to 1: [rows, columns].
double mutual_information(std::span<const float> weights, std::int64_t rows, std::int64_t columns);

}  // namespace attend
