#include "runtime/scheduler/scheduler.h"

#include <omp.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/plan/executor.h"
#include "runtime/profile/recorder.h"
#include "runtime/scheduler/active_request.h"
#include "runtime/scheduler/batch.h"
#include "runtime/scheduler/cache_memory.h"
#include "runtime/scheduler/request_errors.h"
#include "runtime/scheduler/score_rows.h"

namespace attend {
namespace {

using ActivePtr = std::unique_ptr<ActiveRequest>;

// Logits of one step that texts which are scored may have: every row of theirs has a whole vocabulary of
// them.
constexpr std::int64_t kScoredLogits = std::int64_t{1} << 24;

}  // namespace

struct Scheduler::Impl {
  Impl(std::shared_ptr<const CompiledModel> compiled, const SchedulerOptions& scheduler_options)
      : model(std::move(compiled)),
        options(scheduler_options),
        executor(*model, options.threads),
        cache(*model, options.cache_bytes, options.prefix_bytes),
        has_encoder(model->def().graph("encoder") != nullptr),
        scorer(options.threads) {
    worker = std::thread([this] { loop(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    condition.notify_all();
    worker.join();
  }

  void loop() {
    omp_set_num_threads(options.threads);
    while (take_submitted()) {
      const ProfiledTurn turn(options.recorder);
      drop_cancelled();
      admit();
      if (!running.empty()) step();
      publish_stats();
    }
    for (std::deque<ActivePtr>* list : {&waiting, &running}) {
      for (ActivePtr& active : *list) active->fail(cancelled_error());
      list->clear();
    }
  }

  // Waits for work; false when the scheduler ends.
  bool take_submitted() {
    std::unique_lock lock(mutex);
    condition.wait(lock, [&] {
      return stopping || woken || !submitted.empty() || !waiting.empty() || !running.empty();
    });
    woken = false;
    for (ActivePtr& active : submitted) waiting.push_back(std::move(active));
    submitted.clear();
    return !stopping;
  }

  void drop_cancelled() {
    for (std::deque<ActivePtr>* list : {&waiting, &running}) {
      std::erase_if(*list, [&](ActivePtr& active) {
        if (!active->request.cancelled->load()) return false;
        active->fail(cancelled_error());
        return true;
      });
    }
  }

  // --- Admission ---

  // Takes waiting requests in their order while there is room, and runs one encoder pass over them.
  void admit() {
    std::vector<ActivePtr> admitted;
    std::int32_t tokens = 0;
    while (!waiting.empty() &&
           running.size() + admitted.size() < static_cast<std::size_t>(options.max_requests)) {
      ActiveRequest& next = *waiting.front();
      const auto length = static_cast<std::int32_t>(next.request.input_ids.size());
      if (has_encoder && tokens > 0 && tokens + length > options.encoder_tokens) break;
      if (!cache.reserve_cross(next, length)) {
        if (!running.empty() || !admitted.empty()) break;  // memory comes back when others are done
        next.fail(memory_error(cache.limit_bytes()));
        waiting.pop_front();
        continue;
      }
      if (next.started == 0) next.started = steady_seconds();
      tokens += length;
      admitted.push_back(std::move(waiting.front()));
      waiting.pop_front();
    }
    if (admitted.empty()) return;
    if (has_encoder) encode(admitted);
    for (ActivePtr& active : admitted) {
      if (active != nullptr) start(std::move(active));
    }
  }

  // Runs the encoder over all of them; requests that only encode are finished (and null) afterwards.
  void encode(std::vector<ActivePtr>& admitted) {
    batch.clear();
    for (ActivePtr& active : admitted) {
      const ScheduledRequest& request = active->request;
      active->first_row = batch.rows();
      active->first_sequence = batch.sequences();
      active->rows = static_cast<std::int32_t>(request.input_ids.size());
      active->step_sequences = 1;
      batch.add_sequence(request.input_ids, request.token_types, 0);
      active->first_sampled = batch.sampled();
      batch.sample_rows(active->first_row, active->rows, request.sampled_rows);
      active->sampled = batch.sampled() - active->first_sampled;
      if (active->cross) batch.add_cross(active->first_row, active->rows, active->cross->data());
    }
    hooks.clear();
    for (const ActivePtr& active : admitted)
      hooks.add(active->request.encoder_hooks, active->first_row, active->rows, 0);
    try {
      const ProfiledRun profiled(options.recorder, ProfiledPass::encoder, admitted, profiled_rows);
      executor.run("encoder", batch.input(0), run_options(admitted, profiled.profiler()));
    } catch (...) {
      const Error error = as_error(std::current_exception());
      for (ActivePtr& active : admitted) {
        active->fail(error);
        active.reset();
      }
      return;
    }
    ++counters.encoder_passes;
    for (ActivePtr& active : admitted) {
      active->encoded = steady_seconds();
      if (active->request.mode != ScheduledRequest::Mode::encode) continue;
      finish_encoding(*active);
      active.reset();
    }
  }

  void finish_encoding(ActiveRequest& active) {
    Outcome outcome;
    const Graph& graph = *model->def().graph("encoder");
    for (const NamedValue& output : graph.outputs) {
      const OutputView view = executor.output(output.name);
      const auto [first, rows] = active.rows_of(graph.values[static_cast<std::size_t>(output.value)].rows);
      outcome.outputs.push_back({output.name, Tensor::from({view.data + first * view.width,
                                                            static_cast<std::size_t>(rows * view.width)},
                                                           {rows, view.width})});
    }
    active.finish(std::move(outcome));
  }

  void start(ActivePtr active) {
    try {
      if (active->search == nullptr) {
        std::vector<std::int32_t> prompt = active->request.input_ids;
        if (has_encoder && active->request.mode == ScheduledRequest::Mode::observe) {
          prompt = active->request.decoder_ids;
        } else if (has_encoder) {
          const GenerationConfig& config = active->request.config;
          prompt = {config.decoder_start_token_id ? *config.decoder_start_token_id
                                                  : config.bos_token_id.value()};
        }
        active->search = search_of(*active, prompt);
      }
      for (int i = 0; i < active->search->rows(); ++i) {
        active->sequences.push_back(
            cache.empty_sequence(active->limits.prompt_length, expected_length(active->limits)));
      }
      running.push_back(std::move(active));
    } catch (...) {
      active->fail(as_error(std::current_exception()));
    }
  }

  static std::unique_ptr<SearchState> search_of(const ActiveRequest& active,
                                                std::span<const std::int32_t> prompt) {
    switch (active.request.mode) {
      case ScheduledRequest::Mode::score: return make_scoring(active.request.input_ids);
      case ScheduledRequest::Mode::observe: return make_observing(prompt);
      default: return make_search(active.request, active.limits, prompt);
    }
  }

  // Empties the cache of sequences that have just outgrown the length up to which their keys are good.
  void restart_outgrown(ActiveRequest& active) {
    const std::int64_t limit = model->def().recompute_beyond;
    for (std::size_t i = 0; i < active.sequences.size() && limit > 0; ++i) {
      const auto length = static_cast<std::int32_t>(active.search->sequence(static_cast<int>(i)).size());
      if (length > limit && active.sequences[i].rotated_as <= limit)
        active.sequences[i] = cache.empty_sequence(length, expected_length(active.limits));
    }
  }

  // --- One decoder step ---

  void step() {
    build_step();
    if (batch.rows() == 0) return;
    hooks.clear();
    for (const ActivePtr& active : running) {
      // Only requests with one sequence have hooks that ask for the tokens before.
      const std::int32_t past = active->sequences.front().cached - active->rows;
      hooks.add(active->request.decoder_hooks, active->first_row, active->rows, past);
    }
    try {
      const ProfiledRun profiled(options.recorder, ProfiledPass::decoder, running, profiled_rows);
      executor.run("decoder", batch.input(cache.groups()), run_options(running, profiled.profiler()));
    } catch (...) {
      const Error error = as_error(std::current_exception());
      for (ActivePtr& active : running) active->fail(error);
      running.clear();
      return;
    }
    ++counters.steps;
    counters.decoder_rows += batch.rows();
    // What is generated is remembered when all of it is there: steps that decode allocate nothing.
    for (ActivePtr& active : running) {
      if (active->rows > 1 || active->first_step)
        cache.remember_prefixes(*active, active->search->sequence(0));
    }
    score();
    for (ActivePtr& active : running) {
      if (active != nullptr && active->sampled > 0) advance(active);
    }
    std::erase(running, nullptr);
  }

  std::int32_t scored_rows() const {
    const std::int64_t rows = kScoredLogits / std::max<std::int64_t>(model->def().target_vocab_size, 1);
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(rows, 1, options.prefill_tokens));
  }

  void build_step() {
    batch.clear();
    StepBudget left{.prefill = options.prefill_tokens, .scored = scored_rows()};
    for (std::size_t r = 0; r < running.size(); ++r) {
      ActiveRequest& active = *running[r];
      active.first_row = batch.rows();
      active.first_sampled = batch.sampled();
      active.first_sequence = batch.sequences();
      restart_outgrown(active);
      counters.shared_tokens += cache.share_prefixes(active);
      const std::span<const std::int32_t> counts = active.rows_of_step(left);
      while (!cache.reserve(active, counts)) {
        if (cache.evict()) continue;  // memory that nothing in flight needs
        if (r + 1 == running.size() && r == 0) break;
        preempt_last();
        if (r == running.size()) break;  // it was this one
      }
      if (r == running.size()) break;
      if (!cache.reserve(active, counts)) {
        active.fail(memory_error(cache.limit_bytes()));
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(r--));
        continue;
      }
      active.add_rows(batch, counts);
    }
  }

  // The youngest request gives its cache back and waits; it goes on later where it was.
  void preempt_last() {
    ActivePtr last = std::move(running.back());
    running.pop_back();
    cache.remember_prefixes(*last, last->search->sequence(0));
    last->drop_cache();
    waiting.push_front(std::move(last));
    ++counters.preemptions;
  }

  void score() {
    if (batch.sampled() == 0) return;
    const ProfiledRun profiled(options.recorder, ProfiledPass::sampler, running, profiled_samples);
    for (const FailedRow& failed : scorer.score(running, executor.output("logits"))) {
      running[failed.request]->fail(as_error(failed.error));
      running[failed.request].reset();
    }
  }

  // Chooses the next tokens of one request; finished ones become null.
  void advance(ActivePtr& active) {
    try {
      const std::span<const BeamMove> moves = active->search->advance();
      active->first_step = false;
      if (active->encoded == 0) active->encoded = steady_seconds();  // the prompt, where there is no encoder
      active->emit(moves);
      if (active->search->done()) {
        Outcome outcome;
        outcome.sequences = active->search->results();
        remember_result(*active, outcome);
        active->finish(std::move(outcome));
        active.reset();
        return;
      }
      active->follow(moves);
    } catch (...) {
      active->fail(as_error(std::current_exception()));
      active.reset();
    }
  }

  // What a request read and generated, for those that continue it.
  void remember_result(ActiveRequest& active, const Outcome& outcome) {
    if (active.request.mode != ScheduledRequest::Mode::generate || outcome.sequences.size() != 1) return;
    std::vector<std::int32_t> tokens = active.request.input_ids;
    const std::vector<std::int32_t>& ids = outcome.sequences.front().ids;
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    cache.remember_prefixes(active, tokens);
  }

  // --- Dumps ---

  template <typename List>
  RunOptions run_options(const List& list, Profiler* profiler) {
    RunOptions run;
    run.attention = hooks.view();
    run.profiler = profiler;
    const bool wanted = std::any_of(list.begin(), list.end(),
                                    [](const ActivePtr& a) { return static_cast<bool>(a->request.on_node); });
    if (!wanted) return run;
    run.on_node = [&list](const NodeView& view) {
      for (const ActivePtr& active : list) {
        if (active->request.on_node) active->report(view);
      }
    };
    return run;
  }

  // A request's rows of this step, and those of its logits.
  static RequestRows profiled_rows(const ActivePtr& active) {
    const bool decodes = active->rows == active->sampled && (!active->first_step || active->cross);
    return {active->request.id, active->rows, !decodes};
  }
  static RequestRows profiled_samples(const ActivePtr& active) {
    return {active->request.id, active->sampled, false};
  }

  void publish_stats() {
    counters.cache_bytes = cache.used_bytes();
    counters.blocks_in_use = cache.blocks_in_use();
    const std::lock_guard lock(mutex);
    published = counters;
  }

  std::shared_ptr<const CompiledModel> model;
  SchedulerOptions options;
  Executor executor;
  CacheMemory cache;
  bool has_encoder;
  RowScorer scorer;
  Batch batch;
  StepHooks hooks;
  std::deque<ActivePtr> waiting, running;
  SchedulerStats counters;

  mutable std::mutex mutex;  // of what follows
  std::condition_variable condition;
  std::deque<ActivePtr> submitted;
  SchedulerStats published;
  bool stopping = false;
  bool woken = false;
  std::thread worker;
};

Scheduler::Scheduler(std::shared_ptr<const CompiledModel> model, const SchedulerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}
Scheduler::~Scheduler() = default;

void Scheduler::submit(ScheduledRequest request) {
  auto active = std::make_unique<ActiveRequest>();
  active->request = std::move(request);
  active->submitted = steady_seconds();
  try {
    const ModelDef& def = impl_->model->def();
    validate_request(def, active->request);
    active->limits = length_limits(def, active->request);
  } catch (...) {
    active->fail(as_error(std::current_exception()));
    return;
  }
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->submitted.push_back(std::move(active));
  }
  impl_->condition.notify_one();
}

void Scheduler::wake() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->woken = true;
  }
  impl_->condition.notify_one();
}

SchedulerStats Scheduler::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->published;
}

}  // namespace attend
