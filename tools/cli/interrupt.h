// Ctrl-C: a thread waits for SIGINT, so that cancelling needs no code in a signal handler.
#pragma once

#include <functional>

namespace attend::cli {

// Call once, before any other thread starts: SIGINT goes to the waiting thread, SIGPIPE becomes EPIPE.
void install_signal_handling();

// While it lives, the first SIGINT calls `on_interrupt` (from another thread); a second one ends the program.
// Without one, SIGINT ends the program at once, with exit code 130.
class InterruptScope {
 public:
  explicit InterruptScope(std::function<void()> on_interrupt);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

// Whether SIGINT has come since the last scope began.
bool interrupted();

}  // namespace attend::cli
