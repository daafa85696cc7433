// Runs the attend binary as a child process.
#pragma once

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace attend::test {

struct ProcessResult {
  int exit_code = -1;  // 128 + the signal's number when one ended it
  std::string out;
  std::string err;

  std::vector<std::string> lines() const;          // of standard output
  std::vector<nlohmann::json> json_lines() const;  // fails the test for a line that is not JSON
};

// Runs `attend` with these arguments and this standard input, to its end.
ProcessResult run_attend(const std::vector<std::string>& arguments, const std::string& input = "");

// A child that is talked to while it runs.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void write(const std::string& text);
  void close_input();
  void close_output();
  std::string read_line();
  // Until the child waits for room in the pipe of its output, which nobody has read.
  void wait_until_output_is_full();
  void signal(int number);
  // A variable of its environment, empty when it is not set.
  std::string environment(const std::string& name) const;
  ProcessResult wait();

 private:
  int pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  std::string buffered_;
};

// The demonstration model, and a scratch directory that is empty at the start of each test.
std::string demo_model();
std::string scratch(const std::string& name);

}  // namespace attend::test
