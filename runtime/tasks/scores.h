// From logits to scores, and the best of them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attend::tasks {

// Probabilities that sum to one; never overflows.
std::vector<double> softmax(std::span<const float> logits);

double sigmoid(double x);

// Index of the largest value, the first of equals; NaN counts as smaller than everything. Not for empty
// input.
std::size_t argmax(std::span<const double> scores);

// Indices of the `count` largest values, best first, of equals the first; fewer when there are fewer.
std::vector<std::size_t> top_indices(std::span<const double> scores, std::size_t count);

}  // namespace attend::tasks
