#include "tools/cli/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "attend/error.h"

namespace attend::cli {
namespace {
constexpr std::size_t kChunkBytes = 1 << 16;
}

LineReader::LineReader(int fd, std::string name) : fd_(fd), name_(std::move(name)) {
  if (::pipe2(wake_.data(), O_CLOEXEC) != 0) throw internal_error("pipe", std::strerror(errno));
}

LineReader::~LineReader() {
  ::close(wake_[0]);
  ::close(wake_[1]);
}

void LineReader::stop() {
  const char byte = 0;
  while (::write(wake_[1], &byte, 1) < 0 && errno == EINTR) {
  }
}

bool LineReader::fill() {
  std::array<pollfd, 2> wait{pollfd{fd_, POLLIN, 0}, pollfd{wake_[0], POLLIN, 0}};
  while (::poll(wait.data(), wait.size(), -1) < 0) {
    if (errno != EINTR) throw internal_error(name_, std::string("poll: ") + std::strerror(errno));
  }
  if (wait[1].revents != 0) return false;
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kChunkBytes);
  const ssize_t count = ::read(fd_, buffer_.data() + size, kChunkBytes);
  buffer_.resize(size + static_cast<std::size_t>(count > 0 ? count : 0));
  if (count < 0 && errno != EINTR) {
    throw Error("INPUT_READ", name_, std::string("cannot be read: ") + std::strerror(errno));
  }
  return count != 0;
}

std::optional<std::string> LineReader::next() {
  std::size_t searched = consumed_;
  while (!ended_) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(consumed_, end - consumed_);
      consumed_ = end + 1;
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    const std::size_t pending = buffer_.size() - consumed_;
    ended_ = !fill();
    searched = consumed_ + pending;
  }
  if (consumed_ == buffer_.size()) return std::nullopt;
  std::string line = buffer_.substr(consumed_);  // the last line has no end
  consumed_ = buffer_.size();
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace attend::cli
