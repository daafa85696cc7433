#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <utility>

namespace attend::cli {
namespace {

constexpr int kBarWidth = 28;
constexpr auto kQuietStart = std::chrono::milliseconds(400);  // short work shows no bar
constexpr auto kInterval = std::chrono::milliseconds(100);

std::atomic<bool> on_screen{false};

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)), started_(std::chrono::steady_clock::now()), drawn_(started_) {
  shown_ = ::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 0;
}

Progress::~Progress() {
  clear_line();
}

void Progress::update(double fraction, const std::string& note) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - started_ < kQuietStart || now - drawn_ < kInterval) return;
  drawn_ = now;
  std::string bar;
  if (fraction >= 0) {
    const double done = std::clamp(fraction, 0.0, 1.0);
    const int full = static_cast<int>(done * kBarWidth);
    bar = fmt::format("[{:#<{}}{:.<{}}] {:3.0f} % ", "", full, "", kBarWidth - full, 100 * done);
  }
  const std::string line = fmt::format("\r\x1b[K{} {}{}", label_, bar, note);
  on_screen = true;
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void Progress::clear_line() {
  if (on_screen.exchange(false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace attend::cli
