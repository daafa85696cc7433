// The one error type of attend.
//
// An error carries one or more issues, so that everything wrong with a checkpoint is reported at once.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace attend {

// Who has to act, and so the exit code of the command line.
enum class ErrorCategory {
  usage,      // wrong call or option: exit code 2
  data,       // bad model or input data: exit code 65
  internal,   // a bug or an exhausted machine: exit code 70
  cancelled,  // the caller asked to stop: exit code 130
};

// One finding. `kind` is a stable upper-case code (ST_HEADER_TRUNCATED), `where` a file, config key,
// tensor or node path, `message` says what was expected, what was found and what to do.
struct Issue {
  std::string kind;
  std::string where;
  std::string message;
};

class Error : public std::exception {
 public:
  Error(std::string kind, std::string where, std::string message,
        ErrorCategory category = ErrorCategory::data);
  explicit Error(std::vector<Issue> issues, ErrorCategory category = ErrorCategory::data);

  const char* what() const noexcept override { return what_.c_str(); }
  ErrorCategory category() const noexcept { return category_; }
  // Never empty.
  const std::vector<Issue>& issues() const noexcept { return issues_; }
  const std::string& kind() const noexcept { return issues_.front().kind; }
  const std::string& where() const noexcept { return issues_.front().where; }
  // The messages of all issues, one a line.
  const std::string& message() const noexcept { return message_; }

 private:
  std::vector<Issue> issues_;
  ErrorCategory category_;
  std::string message_;
  std::string what_;
};

// A wrong call or option (exit code 2).
Error usage_error(std::string kind, std::string where, std::string message);
// A broken invariant of attend itself (exit code 70).
Error internal_error(std::string where, std::string message);

}  // namespace attend
