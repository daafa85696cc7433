// What one rendering may use; a template that asks for more is stopped with TPL_BUDGET.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attend::jinja {

struct BudgetExceeded {
  std::string message;
};

class Budget {
 public:
  static constexpr std::uint64_t kMaxSteps = 1'000'000;
  static constexpr std::size_t kMaxTextBytes = 4U << 20U;  // of the output, and of any text on the way
  static constexpr int kMaxDepth = 64;                     // of macro calls and recursive loops
  static constexpr std::uint64_t kBytesPerStep = 128;      // text made or searched counts as steps, too

  void step(std::uint64_t count = 1) {
    steps_ += count;
    if (steps_ > kMaxSteps) throw BudgetExceeded{"the template takes more than 10^6 steps"};
  }
  // Text of `bytes` is made, copied or searched.
  void text(std::size_t bytes) {
    if (bytes > kMaxTextBytes) throw BudgetExceeded{"the template makes more than 4 MiB of text"};
    step(bytes / kBytesPerStep);
  }

 private:
  std::uint64_t steps_ = 0;
};

}  // namespace attend::jinja
