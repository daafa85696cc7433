#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include "attend/attend.h"
#include "attend/tokenizer.h"
#include "engine/log.h"
#include "engine/plan/compiled_model.h"
#include "loaders/files/stored_tensors.h"
#include "loaders/load_model.h"
#include "loaders/tokenizers/load_tokenizer.h"
#include "runtime/api/attention_layers.h"
#include "runtime/api/machine.h"
#include "runtime/api/memory_plan.h"
#include "runtime/api/observe_attention.h"
#include "runtime/api/precision.h"
#include "runtime/api/run_task.h"
#include "runtime/generation/stopping.h"
#include "runtime/generation/stream_decoder.h"
#include "runtime/profile/recorder.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/tasks/task.h"

namespace attend {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Packs the weights on a thread of its own. OpenMP keeps a pool for every thread that ever opened a parallel
// region, and while the pools together have more threads than there are processors, waiting threads sleep
// instead of spinning, at every one of a token's regions. The pool of this thread ends with it, and the
// scheduler's is the only one.
//
// The calling thread reads the tokenizer meanwhile. Its errors come first, as they would one after the other.
void compile(LoadedModel& loaded, Precision precision, DType cached, int threads,
             const std::function<void(double)>& progress, std::shared_ptr<const CompiledModel>& compiled,
             std::shared_ptr<const Tokenizer>& tokenizer) {
  std::atomic<bool> abandoned = false;
  const auto go_on = [&](double done) {
    if (abandoned) throw internal_error("load", "abandoned");  // seen by nobody
    if (progress) progress(done);
  };
  auto packing = std::async(std::launch::async, [&] {
    omp_set_num_threads(threads);
    return std::make_shared<const CompiledModel>(std::move(loaded.def), *loaded.weights, precision, cached,
                                                 go_on);
  });
  try {
    tokenizer = loaded.tokenizer_source.load();
  } catch (...) {
    abandoned = true;
    packing.wait();
    throw;
  }
  compiled = packing.get();
}

bool blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

}  // namespace

struct Ticket::State {
  std::mutex mutex;
  std::condition_variable condition;
  std::optional<Result> result;
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::weak_ptr<Scheduler> scheduler;

  void set(Result value) {
    {
      const std::lock_guard lock(mutex);
      result = std::move(value);
    }
    condition.notify_all();
  }
};

struct Model::Impl {
  ModelInfo info;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const CompiledModel> compiled;
  std::shared_ptr<const TaskConfig> task_config;
  std::unique_ptr<ProfileRecorder> recorder;  // before the scheduler, which uses it
  std::shared_ptr<Scheduler> scheduler;
  std::atomic<std::int64_t> next_request{0};
  std::once_flag mean_pooling_said;

  std::vector<std::int32_t> ids_of(const Input& input) const {
    if (input.ids) return *input.ids;
    if (tokenizer == nullptr) {
      throw Error("TOKENIZER_MISSING", "input",
                  "the model directory has no tokenizer: give token ids (--input-ids)");
    }
    EncodeOptions options;
    options.pair = input.pair;
    return tokenizer->encode(input.text, options).ids;
  }

  static TextScore to_score(std::vector<std::int32_t> ids, SequenceResult sequence) {
    TextScore scored{.ids = std::move(ids), .token_logprobs = std::move(sequence.logprobs)};
    for (const float logprob : scored.token_logprobs) scored.score += static_cast<double>(logprob);
    scored.perplexity = std::exp(-scored.score / static_cast<double>(scored.token_logprobs.size()));
    return scored;
  }

  std::vector<std::vector<TokenLogprob>> to_top_logprobs(
      const std::vector<std::vector<ScoredToken>>& top) const {
    std::vector<std::vector<TokenLogprob>> by_id;
    for (const std::vector<ScoredToken>& tokens : top) {
      std::vector<TokenLogprob>& named = by_id.emplace_back();
      for (const ScoredToken& token : tokens) {
        named.push_back({.id = token.token, .text = {}, .logprob = token.score});
        if (tokenizer != nullptr) named.back().text = tokenizer->decode({&token.token, 1}, false);
      }
    }
    return by_id;
  }

  Result to_result(Outcome outcome, std::int64_t input_tokens) const {
    const ProfiledSection section(recorder.get(), ProfileSectionId::tokenizer);
    Result result;
    result.timing = {.queue_ms = outcome.queue_ms,
                     .encode_ms = outcome.encode_ms,
                     .decode_ms = outcome.decode_ms,
                     .total_ms = outcome.total_ms,
                     .input_tokens = input_tokens,
                     .output_tokens = 0};
    result.error = std::move(outcome.error);
    for (SequenceResult& sequence : outcome.sequences) {
      GeneratedSequence generated;
      if (tokenizer != nullptr) generated.text = tokenizer->decode(sequence.ids);
      if (sequence.score) generated.score = static_cast<double>(*sequence.score);
      generated.logprobs = std::move(sequence.logprobs);
      generated.top_logprobs = to_top_logprobs(sequence.top_logprobs);
      generated.output_ids = std::move(sequence.ids);
      result.timing.output_tokens += static_cast<std::int64_t>(generated.output_ids.size());
      result.sequences.push_back(std::move(generated));
    }
    return result;
  }

  std::string prompt_of(const Input& input) const {
    if (compiled->def().family != Family::decoder || tokenizer == nullptr) return {};
    return input.ids ? tokenizer->decode(*input.ids) : input.text;
  }

  // Text that is nothing but white space is not translated into an invention of the model.
  static Result empty_result(const GenerationConfig& config) {
    Result result;
    result.sequences.resize(static_cast<std::size_t>(std::max(config.num_return_sequences, 1)));
    return result;
  }

  void submit(Request request, const std::shared_ptr<Ticket::State>& state,
              std::function<void(const Result&)> on_done) {
    const std::int64_t id = next_request++;
    const auto done = [state, on_done = std::move(on_done)](Result result) {
      if (on_done) on_done(result);
      state->set(std::move(result));
    };
    try {
      if (request.task.empty()) request.task = info.task;
      if (request.score && compiled->def().family != Family::decoder) {
        throw Error("TASK_UNSUPPORTED", info.architecture,
                    "only decoder-only models score a text (text-generation); this one does: " +
                        fmt::format("{}", fmt::join(info.tasks, ", ")));
      }
      if (compiled->def().family == Family::encoder) {
        say_mean_pooling(request.task);
        submit_task({compiled->def(), task_config, tokenizer.get(), *scheduler, *recorder, id},
                    std::move(request), state->cancelled, done);
        return;
      }
      check_task(request.task);
      const GenerationConfig config = request.generation.value_or(compiled->def().generation);
      if (!request.input.ids && blank(request.input.text) &&
          compiled->def().family == Family::encoder_decoder) {
        done(empty_result(config));
        return;
      }
      if (request.score) {
        submit_scoring(std::move(request), *state, done);
        return;
      }
      ScheduledRequest scheduled;
      scheduled.id = id;
      {
        const ProfiledSection section(recorder.get(), ProfileSectionId::tokenizer, id, true);
        scheduled.input_ids = ids_of(request.input);
      }
      scheduled.token_types = request.input.type_ids;
      scheduled.config = config;
      scheduled.cancelled = state->cancelled;
      if (!config.stop.empty()) {
        const auto criteria = std::make_shared<StoppingCriteria>(config, LengthLimits{}, tokenizer.get());
        scheduled.should_stop = [criteria](std::span<const std::int32_t> ids) {
          return criteria->ends_stop_string(ids);
        };
      }
      add_head_scales(compiled->def(), request.head_scales, {}, scheduled);
      add_callbacks(request, scheduled);
      const auto tokens = static_cast<std::int64_t>(scheduled.input_ids.size());
      scheduled.on_done = [this, id, done, tokens, prompt = prompt_of(request.input)](Outcome outcome) {
        Result result;
        try {
          result = to_result(std::move(outcome), tokens);
          result.prompt = prompt;
        } catch (const Error& e) {
          result = {};
          result.error = e;
        }
        recorder->finished(profiled_request(id, result.timing));
        done(std::move(result));
      };
      scheduler->submit(std::move(scheduled));
    } catch (const Error& e) {
      Result result;
      result.error = e;
      done(std::move(result));
    }
  }

  void submit_scoring(Request request, const Ticket::State& state,
                      const std::function<void(Result)>& done) const {
    ScheduledRequest scheduled;
    scheduled.mode = ScheduledRequest::Mode::score;
    scheduled.input_ids = ids_of(request.input);
    scheduled.cancelled = state.cancelled;
    if (request.on_node) scheduled.on_node = node_callback(std::move(request.on_node));
    scheduled.on_done = [this, done, ids = scheduled.input_ids](Outcome outcome) {
      std::vector<SequenceResult> sequences = std::exchange(outcome.sequences, {});
      Result result = to_result(std::move(outcome), static_cast<std::int64_t>(ids.size()));
      if (!result.error) result.scored = to_score(ids, std::move(sequences.front()));
      done(std::move(result));
    };
    scheduler->submit(std::move(scheduled));
  }

  // Embeddings of a checkpoint that does not say how they are made are a choice of ours.
  void say_mean_pooling(const std::string& task) {
    if (!task.starts_with("sentence-") || task_config->sentence_embedding.from_files) return;
    std::call_once(mean_pooling_said, [] {
      logger().warn(
          "the checkpoint has no modules.json that says how sentences are embedded: the mean of the tokens' "
          "hidden states is taken, as sentence-transformers does");
    });
  }

  void check_task(const std::string& task) const {
    if (std::find(info.tasks.begin(), info.tasks.end(), task) != info.tasks.end()) return;
    throw Error(
        "TASK_UNSUPPORTED", task,
        fmt::format("this checkpoint has no head for it; it can do: {}", fmt::join(info.tasks, ", ")));
  }

  void add_callbacks(Request& request, ScheduledRequest& scheduled) const {
    if (request.on_token) {
      std::shared_ptr<StreamDecoder> decoder;
      if (tokenizer != nullptr) decoder = std::make_shared<StreamDecoder>(*tokenizer);
      scheduled.on_token = [this, decoder, on_token = std::move(request.on_token)](std::int32_t id) {
        std::string text;
        if (decoder != nullptr) {
          const ProfiledSection section(recorder.get(), ProfileSectionId::tokenizer);
          text = decoder->push(id);
        }
        on_token({id, std::move(text)});
      };
    }
    if (request.on_node) scheduled.on_node = node_callback(std::move(request.on_node));
  }
};

const std::string& Result::text() const {
  if (error) throw *error;
  if (sequences.empty()) throw internal_error("Result::text", "the result has no text");
  return sequences.front().text;
}

Result Ticket::wait() {
  std::unique_lock lock(state_->mutex);
  state_->condition.wait(lock, [&] { return state_->result.has_value(); });
  return *state_->result;
}

bool Ticket::done() const {
  const std::lock_guard lock(state_->mutex);
  return state_->result.has_value();
}

void Ticket::cancel() {
  state_->cancelled->store(true);
  if (const auto scheduler = state_->scheduler.lock()) scheduler->wake();
}

Model Model::load(const std::filesystem::path& directory, const LoadOptions& options) {
  const double begin = now_ms();
  const Precision precision = parse_precision(options.dtype);
  const DType cached = parse_kv_dtype(options.kv_dtype);
  LoadedModel loaded = load_definition(directory);
  const std::uint64_t memory =
      options.max_memory_bytes > 0 ? options.max_memory_bytes : available_memory_bytes();
  check_memory(loaded.def, *loaded.weights, precision, memory);
  if (options.check_tensors) check_finite(*loaded.weights);

  auto impl = std::make_shared<Impl>();
  ModelInfo& info = impl->info;
  info.parameters = weight_elements(loaded.def);
  for (const TensorInfo* tensor : loaded.weights->tensors()) info.weights_file_bytes += tensor->size_bytes();
  info.threads = options.threads > 0 ? options.threads : usable_processors();
  compile(loaded, precision, cached, info.threads, options.progress, impl->compiled, impl->tokenizer);
  loaded.weights.reset();
  return_freed_memory();
  const ModelDef& def = impl->compiled->def();
  info.architecture = def.architecture;
  info.model_type = def.model_type;
  impl->task_config = std::make_shared<const TaskConfig>(task_config(def));
  info.tasks = impl->task_config->tasks;
  info.task = info.tasks.empty() ? "" : info.tasks.front();
  info.dtype = effective_dtype(*impl->compiled, options.dtype);
  info.kv_dtype = effective_kv_dtype(def, options.kv_dtype);
  info.instruction_set = instruction_set();
  info.max_input_tokens = def.max_positions;
  info.vocab_size = def.vocab_size;
  info.weights_bytes = impl->compiled->weights_bytes();
  info.cache_bytes_per_token = CacheLayout::bytes_per_token(impl->compiled->cache().self);
  SchedulerOptions scheduling;
  scheduling.threads = info.threads;
  scheduling.cache_bytes = memory > info.weights_bytes ? memory - info.weights_bytes : 0;
  scheduling.max_requests = options.max_batch_size;
  if (!options.share_prefixes) scheduling.prefix_bytes = 0;
  impl->recorder = std::make_unique<ProfileRecorder>(*impl->compiled, info.threads);
  scheduling.recorder = impl->recorder.get();
  impl->scheduler = std::make_shared<Scheduler>(impl->compiled, scheduling);
  info.load_ms = now_ms() - begin;
  logger().info("{}: {} parameters, computed in {}{} with {} on {} threads, loaded in {:.0f} ms",
                info.architecture, info.parameters, info.dtype,
                info.kv_dtype.empty() ? "" : ", keys and values kept in " + info.kv_dtype,
                info.instruction_set, info.threads, info.load_ms);
  return Model(std::move(impl));
}

const ModelInfo& Model::info() const {
  return impl_->info;
}
const GenerationConfig& Model::generation() const {
  return impl_->compiled->def().generation;
}
const Tokenizer* Model::tokenizer() const {
  return impl_->tokenizer.get();
}

Result Model::run(std::string_view text) const {
  Request request;
  request.input.text = text;
  return run(std::move(request));
}

Result Model::run(Request request) const {
  Result result = submit(std::move(request)).wait();
  if (result.error) throw *result.error;
  return result;
}

std::vector<Result> Model::run(std::vector<Request> requests) const {
  std::vector<Ticket> tickets;
  tickets.reserve(requests.size());
  for (Request& request : requests) tickets.push_back(submit(std::move(request)));
  std::vector<Result> results;
  results.reserve(tickets.size());
  for (Ticket& ticket : tickets) results.push_back(ticket.wait());
  return results;
}

AttentionResult Model::attention(const AttentionRequest& request) const {
  return observe_attention({.def = impl_->compiled->def(),
                            .tokenizer = impl_->tokenizer.get(),
                            .scheduler = *impl_->scheduler,
                            .submit = [this](Request generate) { return submit(std::move(generate)); }},
                           request);
}

std::vector<AttentionLayers> Model::attention_layers() const {
  return attend::attention_layers(impl_->compiled->def());
}

void Model::check_head_scales(std::span<const HeadScale> scales) const {
  ScheduledRequest unused;
  add_head_scales(impl_->compiled->def(), scales, {}, unused);
}

Ticket Model::submit(Request request, std::function<void(const Result&)> on_done) const {
  auto state = std::make_shared<Ticket::State>();
  state->cancelled = std::make_shared<std::atomic<bool>>(false);
  state->scheduler = impl_->scheduler;
  impl_->submit(std::move(request), state, std::move(on_done));
  return Ticket(std::move(state));
}

void Model::start_profile(const ProfileOptions& options) const {
  impl_->recorder->start(options);
}
Profile Model::stop_profile() const {
  return impl_->recorder->stop();
}

void set_log(std::string_view level, std::function<void(std::string_view, std::string_view)> sink) {
  configure_logger(level, std::move(sink));
}

std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& directory) {
  std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(directory);
  if (tokenizer == nullptr) {
    throw Error("TOKENIZER_MISSING", directory.string(),
                "the directory has no tokenizer files (tokenizer.json, source.spm, ...)");
  }
  return tokenizer;
}

}  // namespace attend
