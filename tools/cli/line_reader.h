// Lines of a file descriptor, as they come; another thread can stop a reader that waits for more.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

namespace attend::cli {

class LineReader {
 public:
  // Does not own `fd`. `name` is for messages.
  LineReader(int fd, std::string name);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its end ("\n" or "\r\n"); nothing at the end of the file or once stopped.
  // Throws Error when it cannot be read.
  std::optional<std::string> next();
  // May be called from any thread.
  void stop();

 private:
  bool fill();

  int fd_;
  std::string name_;
  std::array<int, 2> wake_{};  // a pipe: stop() writes, fill() polls
  std::string buffer_;
  std::size_t consumed_ = 0;
  bool ended_ = false;
};

}  // namespace attend::cli
