// A progress bar on standard error, when that is a terminal and standard output is not the same one.
#pragma once

#include <chrono>
#include <string>

namespace attend::cli {

class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` in [0, 1]; negative when the end is not known. `note` follows the bar.
  void update(double fraction, const std::string& note);

  // Removes the bar from the terminal, so that a message can be written.
  static void clear_line();

 private:
  std::string label_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  bool shown_ = false;
};

}  // namespace attend::cli
