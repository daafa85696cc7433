#include "tools/cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "tools/cli/errors.h"

namespace attend::cli {
namespace {

struct State {
  std::mutex mutex;
  std::function<void()> on_interrupt;
  std::atomic<bool> interrupted{false};
};

// Lives as long as the waiting thread, which is never joined.
State& state() {
  static State* const kState = new State;
  return *kState;
}

void wait_for_interrupts(sigset_t signals) {
  for (;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) continue;
    const std::scoped_lock lock(state().mutex);
    if (!state().on_interrupt || state().interrupted.exchange(true)) ::_exit(kExitInterrupted);
    state().on_interrupt();
  }
}

}  // namespace

void install_signal_handling() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, SIG_DFL);  // a shell that starts background jobs has it ignored
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(wait_for_interrupts, signals).detach();
}

InterruptScope::InterruptScope(std::function<void()> on_interrupt) {
  const std::scoped_lock lock(state().mutex);
  state().on_interrupt = std::move(on_interrupt);
  state().interrupted = false;
}

InterruptScope::~InterruptScope() {
  const std::scoped_lock lock(state().mutex);
  state().on_interrupt = nullptr;
}

bool interrupted() {
  return state().interrupted;
}

}  // namespace attend::cli
