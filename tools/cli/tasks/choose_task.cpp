#include "tools/cli/tasks/choose_task.h"

#include <fmt/format.h>

#include <algorithm>

namespace attend::cli {
namespace {

// "ner" as "token-classification"; what is no alias stays as it is.
std::string known_alias(const std::string& task) {
  try {
    return std::string(canonical_task_name(task));
  } catch (const Error&) {
    return task;
  }
}

}  // namespace

std::string choose_task(const Options& options, const ModelInfo& info) {
  std::string task = options.text("task").value_or(info.task);
  if (std::ranges::find(info.tasks, task) == info.tasks.end() && !info.tasks.empty())
    task = known_alias(task);
  if (std::ranges::find(info.tasks, task) == info.tasks.end()) {
    throw usage_error(
        "TASK", "--task",
        fmt::format("{} can do {}, not '{}'", info.architecture, fmt::join(info.tasks, ", "), task));
  }
  return task;
}

}  // namespace attend::cli
