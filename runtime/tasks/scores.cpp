#include "runtime/tasks/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace attend::tasks {
namespace {

// A total order, NaN last: a model with broken weights must not break the sort.
bool better(double a, double b) {
  return a > b || (std::isnan(b) && !std::isnan(a));
}

}  // namespace

std::vector<double> softmax(std::span<const float> logits) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  std::vector<double> scores(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += scores[i] = std::exp(logits[i] - largest);
  for (double& score : scores) score /= sum;
  return scores;
}

double sigmoid(double x) {
  if (x >= 0) return 1.0 / (1.0 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1.0 + e);
}

std::size_t argmax(std::span<const double> scores) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (better(scores[i], scores[best])) best = i;
  }
  return best;
}

std::vector<std::size_t> top_indices(std::span<const double> scores, std::size_t count) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      if (better(scores[a], scores[b])) return true;
                      if (better(scores[b], scores[a])) return false;
                      return a < b;
                    });
  order.resize(count);
  return order;
}

}  // namespace attend::tasks
