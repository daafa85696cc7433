#include "tools/cli/errors.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/output.h"
#include "tools/cli/progress.h"

namespace attend::cli {
namespace {

nlohmann::ordered_json issue_json(const Issue& issue) {
  return {{"kind", issue.kind}, {"where", issue.where}, {"message", issue.message}};
}

}  // namespace

int exit_code(const Error& error) {
  switch (error.category()) {
    case ErrorCategory::usage: return kExitUsage;
    case ErrorCategory::data: return kExitData;
    case ErrorCategory::internal: return kExitInternal;
    case ErrorCategory::cancelled: return kExitInterrupted;
  }
  return kExitInternal;
}

void print_error(const Error& error) {
  Progress::clear_line();
  for (const Issue& issue : error.issues()) {
    const std::string where = issue.where.empty() ? "" : issue.where + ": ";
    std::fprintf(stderr, "attend: error: %s [%s]\n", printable(where + issue.message).c_str(),
                 issue.kind.c_str());
  }
}

void print_input_error(std::size_t index, const Error& error) {
  std::vector<Issue> issues = error.issues();
  for (Issue& issue : issues) {
    const std::string input = "input " + std::to_string(index + 1);
    issue.where = issue.where.empty() ? input : input + ": " + issue.where;
  }
  print_error(Error(std::move(issues), error.category()));
}

nlohmann::ordered_json error_json(const Error& error) {
  nlohmann::ordered_json body = {
      {"kind", error.kind()}, {"where", error.where()}, {"message", error.message()}};
  if (error.issues().size() > 1) {
    body["issues"] = nlohmann::ordered_json::array();
    for (const Issue& issue : error.issues()) body["issues"].push_back(issue_json(issue));
  }
  return {{"error", std::move(body)}};
}

}  // namespace attend::cli
