#include "tools/cli/ordered_run.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tools/cli/interrupt.h"

namespace attend::cli {
namespace {

// Enough to keep every batch full, few enough to hold no long file in memory.
constexpr std::size_t kMostInFlight = 256;

struct Pending {
  InputItem item;
  std::optional<Ticket> ticket;  // none when the item has an error
};

class Runner {
 public:
  Runner(const Model& model, InputSource& inputs, const OrderedRun& run)
      : model_(model), inputs_(inputs), run_(run), reader_([this] { read(); }) {}

  ~Runner() {
    stop();
    reader_.join();
    for (const auto& pending : queue_) {
      if (pending->ticket) pending->ticket->wait();  // callbacks may refer to what the caller is about to end
    }
  }

  void consume_all() {
    for (std::size_t index = 0;; ++index) {
      const std::shared_ptr<Pending> front = wait_for_front();
      if (!front) break;
      Result result;
      if (front->ticket) {
        result = front->ticket->wait();
      } else {
        result.error = front->item.error;
      }
      const bool cancelled = result.error && result.error->category() == ErrorCategory::cancelled;
      if (cancelled && interrupted()) return;
      run_.consume(index, front->item, result);
      const std::scoped_lock lock(mutex_);
      queue_.pop_front();
      changed_.notify_all();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  void stop() {
    inputs_.stop();
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    for (const auto& pending : queue_) {
      if (pending->ticket) pending->ticket->cancel();
    }
    changed_.notify_all();
  }

 private:
  // Null when all inputs are done.
  std::shared_ptr<Pending> wait_for_front() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !queue_.empty() || read_all_; });
    return queue_.empty() ? nullptr : queue_.front();
  }

  void read() {
    try {
      for (std::size_t index = 0;; ++index) {
        {
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [&] { return queue_.size() < kMostInFlight || stopped_; });
          if (stopped_) break;
        }
        std::optional<InputItem> item = inputs_.next();
        if (!item) break;
        submit(index, std::move(*item));
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    read_all_ = true;
    changed_.notify_all();
  }

  void submit(std::size_t index, InputItem item) {
    auto pending = std::make_shared<Pending>();
    pending->item = std::move(item);
    if (!pending->item.error) {
      try {
        pending->ticket = model_.submit(run_.make_request(index, std::move(pending->item.input)));
      } catch (const Error& error) {
        pending->item.error = error;
      }
    }
    const std::scoped_lock lock(mutex_);
    if (stopped_ && pending->ticket) pending->ticket->cancel();
    queue_.push_back(std::move(pending));
    changed_.notify_all();
  }

  const Model& model_;
  InputSource& inputs_;
  const OrderedRun& run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Pending>> queue_;
  bool read_all_ = false;
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::thread reader_;  // last: it uses the others
};

}  // namespace

void run_in_order(const Model& model, InputSource& inputs, const OrderedRun& run) {
  Runner runner(model, inputs, run);
  const InterruptScope interrupt([&] { runner.stop(); });
  runner.consume_all();
}

}  // namespace attend::cli
