#include "attend/error.h"

#include <utility>

namespace attend {

Error::Error(std::string kind, std::string where, std::string message, ErrorCategory category)
    : Error(std::vector<Issue>{{std::move(kind), std::move(where), std::move(message)}}, category) {}

Error::Error(std::vector<Issue> issues, ErrorCategory category)
    : issues_(std::move(issues)), category_(category) {
  if (issues_.empty()) issues_.push_back({"INTERNAL", "attend", "an error without an issue was raised"});
  for (const Issue& issue : issues_) {
    if (!message_.empty()) {
      message_ += '\n';
      what_ += '\n';
    }
    message_ += issue.message;
    what_ += issue.where.empty() ? issue.message : issue.where + ": " + issue.message;
    what_ += " [" + issue.kind + "]";
  }
}

Error usage_error(std::string kind, std::string where, std::string message) {
  return Error(std::move(kind), std::move(where), std::move(message), ErrorCategory::usage);
}

Error internal_error(std::string where, std::string message) {
  return Error("INTERNAL", std::move(where), std::move(message), ErrorCategory::internal);
}

}  // namespace attend
