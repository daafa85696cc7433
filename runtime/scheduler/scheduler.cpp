#include "runtime/scheduler/scheduler.h"

#include <omp.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "attend/error.h"
#include "engine/plan/executor.h"
#include "runtime/scheduler/active_request.h"
#include "runtime/scheduler/batch.h"
#include "runtime/scheduler/prefix_cache.h"

namespace attend {
namespace {

using ActivePtr = std::unique_ptr<ActiveRequest>;

// Rows of a request that is scored in one step: each has logits over the whole vocabulary.
constexpr std::int32_t kScoredRows = 64;

Error cancelled_error() {
  return Error("CANCELLED", "request", "the request was cancelled", ErrorCategory::cancelled);
}

Error memory_error(std::uint64_t limit) {
  return Error("CACHE_MEMORY", "request",
               "the request needs more cache than the limit of " + std::to_string(limit >> 20) +
                   " MiB; shorten it, use fewer beams, or raise --max-memory");
}

// Any exception, as an Error.
Error as_error(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY", "request", "the machine has no memory left", ErrorCategory::internal);
  } catch (const std::exception& e) {
    return internal_error("request", e.what());
  }
}

}  // namespace

struct Scheduler::Impl {
  Impl(std::shared_ptr<const CompiledModel> compiled, const SchedulerOptions& scheduler_options)
      : model(std::move(compiled)),
        options(scheduler_options),
        executor(*model, options.threads),
        has_encoder(model->def().graph("encoder") != nullptr),
        has_decoder(model->def().graph("decoder") != nullptr) {
    budget.limit_bytes = options.cache_bytes;
    for (const CacheGroup& group : model->cache().self) {
      self_pools.push_back(
          std::make_unique<BlockPool>(static_cast<std::size_t>(group.block_bytes()), budget));
    }
    for (const CacheGroup& group : model->cache().cross) {
      cross_pool = std::make_unique<BlockPool>(static_cast<std::size_t>(group.block_bytes()), budget);
    }
    if (!has_encoder && has_decoder)
      prefixes.emplace(self_pools, model->cache().self, options.prefix_bytes, unrotated_tokens());
    worker = std::thread([this] { loop(); });
  }

  // Tokens whose rotation is the same in every request; 0: all of them.
  std::int64_t unrotated_tokens() const {
    std::int64_t tokens = 0;
    for (const Rope& rope : model->ropes()) {
      if (rope.dynamic_from > 0)
        tokens = tokens == 0 ? rope.dynamic_from : std::min(tokens, rope.dynamic_from);
    }
    return tokens;
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
    scratch.resize(static_cast<std::size_t>(options.threads));
    while (take_submitted()) {
      drop_cancelled();
      admit();
      if (!running.empty()) step();
      publish_stats();
    }
    for (std::deque<ActivePtr>* list : {&waiting, &running}) {
      for (ActivePtr& active : *list) fail(*active, cancelled_error());
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
        fail(*active, cancelled_error());
        return true;
      });
    }
  }

  void fail(ActiveRequest& active, Error error) {
    Outcome outcome;
    outcome.error = std::move(error);
    finish(active, std::move(outcome));
  }

  void finish(ActiveRequest& active, Outcome outcome) {
    const double now = Profiler::now();
    outcome.total_ms = (now - active.submitted) * 1e3;
    outcome.queue_ms = active.started == 0 ? outcome.total_ms : (active.started - active.submitted) * 1e3;
    if (active.encoded != 0) {
      outcome.encode_ms = (active.encoded - active.started) * 1e3;
      outcome.decode_ms = (now - active.encoded) * 1e3;
    }
    active.drop_cache();
    active.request.on_done(std::move(outcome));
  }

  // --- Admission
  // -------------------------------------------------------------------------------------------------

  // Takes waiting requests in their order while there is room, and runs one encoder pass over them.
  void admit() {
    std::vector<ActivePtr> admitted;
    std::int32_t tokens = 0;
    while (!waiting.empty() &&
           running.size() + admitted.size() < static_cast<std::size_t>(options.max_requests)) {
      ActiveRequest& next = *waiting.front();
      const auto length = static_cast<std::int32_t>(next.request.input_ids.size());
      if (has_encoder && tokens > 0 && tokens + length > options.encoder_tokens) break;
      if (!reserve_cross(next, length)) {
        if (!running.empty() || !admitted.empty()) break;  // memory comes back when others are done
        fail(next, memory_error(budget.limit_bytes));
        waiting.pop_front();
        continue;
      }
      if (next.started == 0) next.started = Profiler::now();
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

  bool reserve_cross(ActiveRequest& active, std::int32_t length) {
    if (cross_pool == nullptr || active.request.mode == ScheduledRequest::Mode::encode) return true;
    active.cross.emplace(*cross_pool);
    if (active.cross->reserve(0, length)) return true;
    active.cross.reset();
    return false;
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
    try {
      executor.run("encoder", batch.input(0), run_options(admitted));
    } catch (...) {
      const Error error = as_error(std::current_exception());
      for (ActivePtr& active : admitted) {
        fail(*active, error);
        active.reset();
      }
      return;
    }
    ++counters.encoder_passes;
    for (ActivePtr& active : admitted) {
      active->encoded = Profiler::now();
      if (active->request.mode != ScheduledRequest::Mode::encode) continue;
      finish_encoding(*active);
      active.reset();
    }
  }

  // Where a request's rows of one kind are in the step's: the first and their number.
  static std::pair<std::int64_t, std::int64_t> rows_of(const ActiveRequest& active, Rows kind) {
    switch (kind) {
      case Rows::tokens: return {active.first_row, active.rows};
      case Rows::sampled: return {active.first_sampled, active.sampled};
      case Rows::sequences: return {active.first_sequence, active.step_sequences};
    }
    return {0, 0};
  }

  void finish_encoding(ActiveRequest& active) {
    Outcome outcome;
    const Graph& graph = *model->def().graph("encoder");
    for (const NamedValue& output : graph.outputs) {
      const OutputView view = executor.output(output.name);
      const auto [first, rows] = rows_of(active, graph.values[static_cast<std::size_t>(output.value)].rows);
      outcome.outputs.push_back({output.name, Tensor::from({view.data + first * view.width,
                                                            static_cast<std::size_t>(rows * view.width)},
                                                           {rows, view.width})});
    }
    finish(active, std::move(outcome));
  }

  void start(ActivePtr active) {
    try {
      if (active->search == nullptr) {
        std::vector<std::int32_t> prompt = active->request.input_ids;
        if (has_encoder) {
          const GenerationConfig& config = active->request.config;
          prompt = {config.decoder_start_token_id ? *config.decoder_start_token_id
                                                  : config.bos_token_id.value()};
        }
        active->search = active->request.mode == ScheduledRequest::Mode::score
                             ? make_scoring(active->request.input_ids)
                             : make_search(active->request, active->limits, prompt);
      }
      for (int i = 0; i < active->search->rows(); ++i) {
        active->sequences.push_back(empty_sequence(active->limits.prompt_length));
      }
      running.push_back(std::move(active));
    } catch (...) {
      fail(*active, as_error(std::current_exception()));
    }
  }

  CachedSequence empty_sequence(std::int32_t rotated_as) {
    CachedSequence sequence;
    for (const auto& pool : self_pools) sequence.groups.emplace_back(*pool);
    sequence.rotated_as = rotated_as;
    return sequence;
  }

  // Empties the cache of sequences that have just outgrown the length up to which their keys are good.
  void restart_outgrown(ActiveRequest& active) {
    const std::int64_t limit = model->def().recompute_beyond;
    for (std::size_t i = 0; i < active.sequences.size() && limit > 0; ++i) {
      const auto length = static_cast<std::int32_t>(active.search->sequence(static_cast<int>(i)).size());
      if (length > limit && active.sequences[i].rotated_as <= limit)
        active.sequences[i] = empty_sequence(length);
    }
  }

  // --- One decoder step
  // ------------------------------------------------------------------------------------------

  void step() {
    build_step();
    if (batch.rows() == 0) return;
    try {
      executor.run("decoder", batch.input(self_pools.size()), run_options(running));
    } catch (...) {
      const Error error = as_error(std::current_exception());
      for (ActivePtr& active : running) fail(*active, error);
      running.clear();
      return;
    }
    ++counters.steps;
    counters.decoder_rows += batch.rows();
    remember_prefixes();
    score();
    for (ActivePtr& active : running) {
      if (active != nullptr && active->sampled > 0) advance(active);
    }
    std::erase(running, nullptr);
  }

  void build_step() {
    batch.clear();
    std::int32_t prefill = options.prefill_tokens;
    for (std::size_t r = 0; r < running.size(); ++r) {
      ActiveRequest& active = *running[r];
      active.first_row = batch.rows();
      active.first_sampled = batch.sampled();
      active.first_sequence = batch.sequences();
      restart_outgrown(active);
      share_prefixes(active);
      const std::vector<std::int32_t> counts = rows_of_step(active, prefill);
      while (!reserve(active, counts)) {
        if (prefixes && prefixes->evict()) continue;  // memory that nothing in flight needs
        if (r + 1 == running.size() && r == 0) break;
        preempt_last();
        if (r == running.size()) break;  // it was this one
      }
      if (r == running.size()) break;
      if (!reserve(active, counts)) {
        fail(active, memory_error(budget.limit_bytes));
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(r--));
        continue;
      }
      add_rows(active, counts);
    }
  }

  // Sequences that have nothing in the cache yet begin with what earlier requests left. Dumps show every row.
  void share_prefixes(ActiveRequest& active) {
    if (!prefixes || active.request.on_node || active.request.mode == ScheduledRequest::Mode::score) return;
    for (std::size_t i = 0; i < active.sequences.size(); ++i) {
      if (active.sequences[i].cached > 0) continue;
      counters.shared_tokens +=
          prefixes->take(active.search->sequence(static_cast<int>(i)), active.sequences[i]);
    }
  }

  // Of requests with one sequence; the beams of a search have little that others will ask for.
  void remember_prefixes() {
    if (!prefixes) return;
    for (ActivePtr& active : running) {
      if (active->sequences.size() == 1)
        prefixes->add(active->search->sequence(0), active->sequences.front());
    }
  }

  // Rows of each sequence in this step. A request whose sequences all lack one token decodes; otherwise its
  // sequences catch up in chunks, but for the last token of each, which all take in the same step.
  static std::vector<std::int32_t> rows_of_step(const ActiveRequest& active, std::int32_t& prefill) {
    const std::size_t n = active.sequences.size();
    std::vector<std::int32_t> counts(n, 0);
    bool decodes = true;
    for (std::size_t i = 0; i < n; ++i) decodes = decodes && active.remaining(i) == 1;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t wanted = decodes || n == 1 ? active.remaining(i) : active.remaining(i) - 1;
      counts[i] = decodes ? wanted : std::min(wanted, prefill);
      if (active.request.mode == ScheduledRequest::Mode::score) counts[i] = std::min(counts[i], kScoredRows);
      if (!decodes) prefill -= counts[i];
    }
    return counts;
  }

  bool reserve(ActiveRequest& active, const std::vector<std::int32_t>& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      CachedSequence& sequence = active.sequences[i];
      for (std::size_t g = 0; g < sequence.groups.size() && counts[i] > 0; ++g) {
        const std::int64_t window = model->cache().self[g].window;
        if (window > 0) sequence.groups[g].drop_before(sequence.cached + 1 - window);
        if (!sequence.groups[g].reserve(sequence.cached, counts[i])) return false;
      }
    }
    return true;
  }

  // The youngest request gives its cache back and waits; it goes on later where it was.
  void preempt_last() {
    ActivePtr last = std::move(running.back());
    running.pop_back();
    last->drop_cache();
    waiting.push_front(std::move(last));
    ++counters.preemptions;
  }

  void add_rows(ActiveRequest& active, const std::vector<std::int32_t>& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      CachedSequence& sequence = active.sequences[i];
      const auto tokens = active.search->sequence(static_cast<int>(i));
      batch.add_sequence(
          tokens.subspan(static_cast<std::size_t>(sequence.cached), static_cast<std::size_t>(counts[i])), {},
          sequence.cached, sequence.rotated_as);
      for (const BlockList& blocks : sequence.groups) batch.add_table(blocks.data());
      sequence.cached += counts[i];
      if (active.request.mode == ScheduledRequest::Mode::score) {
        batch.sample_last_rows(counts[i]);
      } else if (sequence.cached == static_cast<std::int32_t>(tokens.size())) {
        batch.sample_last_rows(1);
      }
    }
    active.rows = batch.rows() - active.first_row;
    active.sampled = batch.sampled() - active.first_sampled;
    active.step_sequences = batch.sequences() - active.first_sequence;
    if (active.cross && active.rows > 0) {
      batch.add_cross(active.first_row, static_cast<std::int32_t>(active.request.input_ids.size()),
                      active.cross->data());
    }
  }

  // Hands every sampled row to its request's search, rows in parallel.
  void score() {
    struct Row {
      ActiveRequest* active;
      int row;
      std::exception_ptr error;
    };
    std::vector<Row> rows;
    for (ActivePtr& active : running) {
      for (int i = 0; i < active->sampled; ++i) rows.push_back({active.get(), i, nullptr});
    }
    if (rows.empty()) return;
    const OutputView logits = executor.output("logits");
    const auto count = static_cast<std::int64_t>(rows.size());
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
    for (std::int64_t i = 0; i < count; ++i) {
      Row& row = rows[static_cast<std::size_t>(i)];
      try {
        row.active->search->score(row.row,
                                  {logits.data + i * logits.width, static_cast<std::size_t>(logits.width)},
                                  scratch[static_cast<std::size_t>(omp_get_thread_num())]);
      } catch (...) {
        row.error = std::current_exception();
      }
    }
    for (const Row& row : rows) {
      if (row.error == nullptr) continue;
      for (ActivePtr& active : running) {
        if (active.get() != row.active) continue;
        fail(*active, as_error(row.error));
        active.reset();
      }
    }
  }

  // Chooses the next tokens of one request; finished ones become null.
  void advance(ActivePtr& active) {
    try {
      const std::span<const BeamMove> moves = active->search->advance();
      active->first_step = false;
      const bool done = active->search->done();
      emit(*active, moves, done);
      if (done) {
        Outcome outcome;
        outcome.sequences = active->search->results();
        finish(*active, std::move(outcome));
        active.reset();
        return;
      }
      follow(*active, moves);
    } catch (...) {
      fail(*active, as_error(std::current_exception()));
      active.reset();
    }
  }

  // New sequences take over the cache of those they continue; the last heir takes it, the others share it.
  static void follow(ActiveRequest& active, std::span<const BeamMove> moves) {
    std::vector<int> heirs(active.sequences.size(), 0);
    for (const BeamMove& move : moves) ++heirs[static_cast<std::size_t>(move.parent)];
    std::vector<CachedSequence> next;
    next.reserve(moves.size());
    for (const BeamMove& move : moves) {
      CachedSequence& parent = active.sequences[static_cast<std::size_t>(move.parent)];
      if (--heirs[static_cast<std::size_t>(move.parent)] == 0) {
        next.push_back(std::move(parent));
        continue;
      }
      CachedSequence child;
      child.cached = parent.cached;
      child.rotated_as = parent.rotated_as;
      for (const BlockList& blocks : parent.groups) child.groups.push_back(blocks.fork());
      next.push_back(std::move(child));
    }
    active.sequences = std::move(next);
  }

  static void emit(const ActiveRequest& active, std::span<const BeamMove> moves, bool done) {
    const ScheduledRequest& request = active.request;
    if (!request.on_token || request.config.num_beams > 1 || request.config.num_return_sequences > 1) return;
    request.on_token(done ? active.search->results().front().ids.back() : moves.front().token);
  }

  // --- Dumps
  // -----------------------------------------------------------------------------------------------------

  template <typename List>
  RunOptions run_options(const List& list) {
    RunOptions run;
    const bool wanted = std::any_of(list.begin(), list.end(),
                                    [](const ActivePtr& a) { return static_cast<bool>(a->request.on_node); });
    if (!wanted) return run;
    run.on_node = [&list](const NodeView& view) {
      for (const ActivePtr& active : list) {
        if (active->request.on_node) report(*active, view);
      }
    };
    return run;
  }

  static void report(const ActiveRequest& active, const NodeView& view) {
    const bool sampled = view.rows_kind == Rows::sampled;
    const auto [first, rows] = rows_of(active, view.rows_kind);
    if (rows == 0) return;
    const bool encodes = active.request.mode == ScheduledRequest::Mode::encode;
    Shape shape{rows, view.width};
    if (encodes && view.rows_kind == Rows::sequences) shape = {view.width};
    if (std::holds_alternative<Column>(view.node.op)) shape = {rows};
    // Before the first step all beams are alike and one stands for all.
    const bool stands_for_all = sampled && active.first_step && active.request.config.num_beams > 1;
    const int repeat = stands_for_all ? active.request.config.num_beams : 1;
    for (int i = 0; i < repeat; ++i) {
      active.request.on_node({view.name, view.data + first * view.width, shape});
    }
  }

  void publish_stats() {
    counters.cache_bytes = budget.used_bytes;
    counters.blocks_in_use = cross_pool == nullptr ? 0 : cross_pool->blocks_in_use();
    for (const auto& pool : self_pools) counters.blocks_in_use += pool->blocks_in_use();
    const std::lock_guard lock(mutex);
    published = counters;
  }

  std::shared_ptr<const CompiledModel> model;
  SchedulerOptions options;
  Executor executor;
  bool has_encoder, has_decoder;
  MemoryBudget budget;
  std::vector<std::unique_ptr<BlockPool>> self_pools;
  std::unique_ptr<BlockPool> cross_pool;
  std::optional<PrefixCache> prefixes;
  std::vector<SamplerScratch> scratch;  // per thread
  Batch batch;
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
  active->submitted = Profiler::now();
  try {
    const ModelDef& def = impl_->model->def();
    validate_request(def, active->request);
    active->limits.prompt_length = static_cast<std::int32_t>(active->request.input_ids.size());
    if (active->request.mode == ScheduledRequest::Mode::generate) {
      const GenerationConfig& config = active->request.config;
      if (impl_->has_encoder && !config.decoder_start_token_id && !config.bos_token_id) {
        throw Error("GEN_START_MISSING", "decoder_start_token_id",
                    "the checkpoint names neither decoder_start_token_id nor bos_token_id: there is nothing "
                    "to start from");
      }
      const std::int64_t prompt =
          impl_->has_encoder ? 1 : static_cast<std::int64_t>(active->request.input_ids.size());
      const std::int64_t limit = impl_->has_encoder ? def.max_target_positions : def.max_positions;
      active->limits = resolve_length_limits(config, prompt, limit > 0 ? std::optional(limit) : std::nullopt);
    }
  } catch (...) {
    impl_->fail(*active, as_error(std::current_exception()));
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
