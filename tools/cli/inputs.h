// The inputs of a call: arguments, --input-ids, lines of --file; standard input only when there are none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/line_reader.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> input_options();

struct InputItem {
  Input input;
  std::uint64_t bytes = 0;     // of the file, for progress
  std::optional<Error> error;  // the input could not be had: no file, nothing in it
};

class InputSource {
 public:
  // `first_text` is the index of the first positional argument that is an input.
  // Throws a usage Error for ids that are not numbers and type ids that do not match.
  // `more` are inputs that other options give.
  InputSource(const Options& options, std::size_t first_text, const std::vector<std::string>& more = {});
  ~InputSource();
  InputSource(const InputSource&) = delete;
  InputSource& operator=(const InputSource&) = delete;

  // The next input, in order; nothing at the end or once stopped. A source that holds no input at all gives
  // one item with the error NO_INPUT.
  std::optional<InputItem> next();
  // Whether there are at least two inputs; may wait for them.
  bool several();
  // Wakes a next() that waits; may be called from any thread.
  void stop();

  // Bytes of the file, 0 when not known; inputs given as arguments.
  std::uint64_t file_bytes() const { return file_bytes_; }
  std::size_t arguments() const { return arguments_; }

 private:
  std::optional<InputItem> read();
  void open(const std::string& path);

  std::deque<InputItem> ready_;
  std::unique_ptr<LineReader> lines_;
  std::string name_ = "standard input";
  int fd_ = -1;
  std::uint64_t file_bytes_ = 0;
  std::size_t arguments_ = 0;
  bool any_ = false;
  bool ended_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace attend::cli
