// The options of tasks on the command line: named as the keyword arguments of the Hugging Face pipelines.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> task_options();
// Throws a usage Error for values that no task takes.
TaskOptions parse_task_options(const Options& options);

// What goes with the text of an input: its pair, the question about it, what it is compared with.
class InputParts {
 public:
  // Throws a usage Error for parts that exclude each other.
  InputParts(const Options& options, const std::string& task);

  // Inputs that come from options: the contexts of --context beside --question.
  const std::vector<std::string>& texts() const { return texts_; }
  // Completes the input of this index; throws a usage Error when there is no part for it.
  void complete(std::size_t index, Input& input) const;

 private:
  std::vector<std::string> texts_, pairs_, questions_, candidates_;
  std::string pairs_option_;
  bool splits_at_tab_ = false;
};

}  // namespace attend::cli
