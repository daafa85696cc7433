#include "runtime/profile/recorder.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "attend/error.h"
#include "runtime/profile/worker_slices.h"

namespace attend {
namespace {

constexpr std::array<const char*, kProfilePhases> kPhaseNames = {"encoder", "prefill", "decode", "mixed"};
constexpr std::array<const char*, kProfileSections> kSectionNames = {"[executor]", "[sampler]", "[scheduler]",
                                                                     "[tokenizer]", "[task]"};

std::size_t at(ProfileSectionId section) {
  return static_cast<std::size_t>(section);
}

ProfilePhase phase_of(ProfiledPass pass, const std::vector<RequestRows>& requests) {
  if (pass == ProfiledPass::encoder) return ProfilePhase::encoder;
  const auto prompts = std::count_if(requests.begin(), requests.end(), [](auto& r) { return r.prompt; });
  if (prompts == 0) return ProfilePhase::decode;
  return prompts == static_cast<std::ptrdiff_t>(requests.size()) ? ProfilePhase::prefill
                                                                 : ProfilePhase::mixed;
}

double& share_of(ProfileRequest& request, ProfiledPass pass, bool prompt) {
  if (pass == ProfiledPass::encoder) return request.encoder_seconds;
  if (pass == ProfiledPass::sampler) return request.sampler_seconds;
  return prompt ? request.prefill_seconds : request.decode_seconds;
}

}  // namespace

double seconds_outside(std::vector<Interval> spans, const std::vector<Interval>& busy, Interval whole) {
  std::sort(spans.begin(), spans.end());
  double sum = 0;
  double from = whole.first;  // what lies before is counted
  auto next = busy.begin();
  for (auto [begin, end] : spans) {
    begin = std::max(begin, from);
    end = std::min(end, whole.second);
    while (begin < end) {
      while (next != busy.end() && next->second <= begin) ++next;
      const double free_until = next == busy.end() ? end : std::min(end, next->first);
      if (free_until > begin) sum += free_until - begin;
      begin = next == busy.end() || next->first >= end ? end : next->second;
    }
    from = std::max(from, end);
  }
  return sum;
}

struct ProfileRecorder::Session {
  struct Slice {
    double begin, end;
    int name;  // of names()
    std::vector<RequestRows> requests;
    bool submits = false;
    int thread = 0;
  };

  Session(const ProfileOptions& profile_options, std::size_t steps, int computing)
      : options(profile_options),
        begin(Profiler::now()),
        profiler(steps, kProfilePhases, profile_options.trace),
        workers(computing) {}

  void switch_to(ProfileSectionId next, double now) {
    seconds[at(section)] += now - since;
    section = next;
    since = now;
  }

  // Phases, then sections.
  static int name_of(ProfilePhase phase) { return static_cast<int>(phase); }
  static int name_of(ProfileSectionId id) { return kProfilePhases + static_cast<int>(id); }

  ProfileOptions options;
  double begin;
  // The scheduler's thread.
  Profiler profiler;
  WorkerSpans workers;  // of a trace
  std::array<double, kProfileSections> seconds{};
  std::array<std::int64_t, kProfileSections> calls{};
  ProfileSectionId section = ProfileSectionId::scheduler;
  double since = 0;
  double pass_begin = 0;
  ProfilePhase phase = ProfilePhase::encoder;
  ProfileSectionId before_pass = ProfileSectionId::scheduler;
  std::vector<Interval> busy;
  std::map<std::int64_t, ProfileRequest> requests;
  std::vector<Slice> slices;
  // Callers, under the recorder's mutex.
  std::vector<Slice> calls_of_others;
  std::vector<Interval> others_tokenize;
  std::vector<std::thread::id> threads;
};

void ProfileRecorder::start(const ProfileOptions& options) {
  const std::lock_guard lock(mutex_);
  if (session_ != nullptr)
    throw usage_error("PROFILE_RUNNING", "profile", "a profile of this model is being taken already");
  session_ = std::make_shared<Session>(options, model_.steps().size(), threads_);
  enabled_ = true;
}

void ProfileRecorder::begin_turn() {
  if (scheduler_thread_.load(std::memory_order_relaxed) != std::this_thread::get_id())
    scheduler_thread_ = std::this_thread::get_id();
  if (!enabled_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  in_turn_ = session_;
  active_ = in_turn_.get();
  if (active_ == nullptr) return;
  if (active_->options.trace) WorkerSpans::current() = &active_->workers;
  active_->since = Profiler::now();
  active_->section = ProfileSectionId::scheduler;
  ++active_->calls[at(ProfileSectionId::scheduler)];
  // Turns that follow one another without a wait are one interval.
  auto& busy = active_->busy;
  if (busy.empty() || active_->since - busy.back().second > 1e-6)
    busy.emplace_back(active_->since, 0);
  else
    active_->seconds[at(ProfileSectionId::scheduler)] += active_->since - busy.back().second;
}

void ProfileRecorder::end_turn() {
  if (active_ == nullptr) return;
  const double now = Profiler::now();
  active_->switch_to(ProfileSectionId::scheduler, now);
  active_->busy.back().second = now;
  active_ = nullptr;
  WorkerSpans::current() = nullptr;
  {
    const std::lock_guard lock(mutex_);
    in_turn_ = nullptr;
  }
  turn_ended_.notify_all();
}

Profiler* ProfileRecorder::profiler() const {
  return active_ == nullptr ? nullptr : &active_->profiler;
}

void ProfileRecorder::begin_pass(ProfiledPass pass, const std::vector<RequestRows>& requests) {
  Session& s = *active_;
  s.pass_begin = Profiler::now();
  s.before_pass = s.section;
  const auto section = pass == ProfiledPass::sampler ? ProfileSectionId::sampler : ProfileSectionId::executor;
  s.switch_to(section, s.pass_begin);
  ++s.calls[at(section)];
  if (pass == ProfiledPass::sampler) return;
  s.phase = phase_of(pass, requests);
  s.profiler.set_phase(static_cast<int>(s.phase));
}

void ProfileRecorder::end_pass(ProfiledPass pass, const std::vector<RequestRows>& requests) {
  Session& s = *active_;
  const double now = Profiler::now();
  s.switch_to(s.before_pass, now);
  std::int64_t total = 0;
  for (const RequestRows& r : requests) total += r.rows;
  for (const RequestRows& r : requests) {
    ProfileRequest& request = s.requests[r.request];
    share_of(request, pass, r.prompt) +=
        (now - s.pass_begin) * static_cast<double>(r.rows) / static_cast<double>(total);
  }
  if (!s.options.trace) return;
  const int name =
      pass == ProfiledPass::sampler ? Session::name_of(ProfileSectionId::sampler) : Session::name_of(s.phase);
  s.slices.push_back({s.pass_begin, now, name, requests});
}

void ProfileRecorder::finished(const ProfileRequest& request) {
  // A request that is refused comes back on its caller's thread.
  if (scheduler_thread_.load(std::memory_order_relaxed) != std::this_thread::get_id()) return;
  if (active_ == nullptr) return;
  ProfileRequest& known = active_->requests[request.number];
  // An input that was cut into windows comes back in several parts.
  known.input_tokens += request.input_tokens;
  known.output_tokens += request.output_tokens;
  known.queue_seconds = std::max(known.queue_seconds, request.queue_seconds);
  known.total_seconds = std::max(known.total_seconds, request.total_seconds);
  known.done = true;
}

ProfileRecorder::Entered ProfileRecorder::enter(ProfileSectionId section) {
  if (!enabled_.load(std::memory_order_relaxed)) return {};
  const double now = Profiler::now();
  if (scheduler_thread_.load(std::memory_order_relaxed) != std::this_thread::get_id())
    return {true, section, now};
  if (active_ == nullptr) return {};
  const ProfileSectionId previous = active_->section;
  active_->switch_to(section, now);
  ++active_->calls[at(section)];
  return {true, previous, now};
}

void ProfileRecorder::leave(const Entered& entered, ProfileSectionId section, std::int64_t request,
                            bool submits) {
  const double now = Profiler::now();
  const auto concerned = [&] {
    return request < 0 ? std::vector<RequestRows>{} : std::vector<RequestRows>{{request, 0, false}};
  };
  if (scheduler_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    Session& s = *active_;
    s.switch_to(entered.previous, now);
    if (s.options.trace) s.slices.push_back({entered.begin, now, Session::name_of(section), concerned()});
    return;
  }
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr) return;
  Session& s = *session_;
  const double begin = std::max(entered.begin, s.begin);
  if (section == ProfileSectionId::tokenizer) s.others_tokenize.emplace_back(begin, now);
  if (!s.options.trace) return;
  const std::thread::id self = std::this_thread::get_id();
  const auto found = std::find(s.threads.begin(), s.threads.end(), self);
  const auto thread = static_cast<int>(found - s.threads.begin()) + 1;
  if (found == s.threads.end()) s.threads.push_back(self);
  s.calls_of_others.push_back({begin, now, Session::name_of(section), concerned(), submits, thread});
}

namespace {

void add_steps(const CompiledModel& model, const Profiler& profiler, Profile& profile) {
  for (int phase = 0; phase < kProfilePhases; ++phase) {
    for (std::size_t i = 0; i < model.steps().size(); ++i) {
      const StepInfo& info = model.steps()[i];
      const Profiler::Totals& totals = profiler.totals(phase, static_cast<int>(i));
      if (totals.calls == 0) continue;
      const auto rows = static_cast<double>(totals.rows);
      ProfileStep step{.phase = kPhaseNames[static_cast<std::size_t>(phase)],
                       .node = info.node,
                       .kind = info.kind,
                       .step = info.step,
                       .implementations = {},
                       .calls = totals.calls,
                       .rows = totals.rows,
                       .seconds = totals.seconds,
                       .flops = rows * info.flops_per_row + totals.extra.flops,
                       .bytes = rows * info.bytes_per_row +
                                static_cast<double>(totals.calls) * info.bytes_per_call + totals.extra.bytes};
      for (const std::string* name : totals.implementations) step.implementations.push_back(*name);
      if (step.implementations.empty()) step.implementations.push_back(info.implementation);
      profile.steps.push_back(std::move(step));
    }
  }
}

}  // namespace

Profile ProfileRecorder::stop() {
  std::shared_ptr<Session> session;
  {
    std::unique_lock lock(mutex_);
    if (session_ == nullptr)
      throw usage_error("PROFILE_NOT_RUNNING", "profile", "no profile of this model is being taken");
    const bool own_thread = scheduler_thread_.load() == std::this_thread::get_id();
    session = std::move(session_);
    session_ = nullptr;
    enabled_ = false;
    if (!own_thread) turn_ended_.wait(lock, [&] { return in_turn_ != session; });
  }
  Session& s = *session;
  const double end = Profiler::now();
  if (active_ == session.get() && scheduler_thread_.load() == std::this_thread::get_id()) {
    s.switch_to(s.section, end);  // called back from a request: its turn goes on afterwards, unrecorded
    s.busy.back().second = end;
  }
  Profile profile;
  profile.wall_seconds = end - s.begin;
  add_steps(model_, s.profiler, profile);
  double accounted = 0;
  s.seconds[at(ProfileSectionId::executor)] -= s.profiler.seconds();
  s.seconds[at(ProfileSectionId::tokenizer)] += seconds_outside(s.others_tokenize, s.busy, {s.begin, end});
  s.calls[at(ProfileSectionId::tokenizer)] += static_cast<std::int64_t>(s.others_tokenize.size());
  for (std::size_t i = 0; i < s.seconds.size(); ++i) {
    profile.sections.push_back({kSectionNames[i], s.calls[i], s.seconds[i]});
    accounted += s.seconds[i];
  }
  profile.sections.push_back({"[other]", 0, profile.wall_seconds - accounted - s.profiler.seconds()});

  std::map<std::int64_t, std::int64_t> numbers;  // by id
  for (auto& [id, request] : s.requests) {
    request.number = numbers[id] = static_cast<std::int64_t>(profile.requests.size());
    profile.requests.push_back(request);
  }
  if (!s.options.trace) return profile;
  profile.threads.emplace_back("scheduler");
  for (int i = 1; i < threads_; ++i) profile.threads.push_back("worker " + std::to_string(i));
  const auto callers = static_cast<int>(profile.threads.size()) - 1;
  for (std::size_t i = 0; i < s.threads.size(); ++i)
    profile.threads.push_back("caller " + std::to_string(i + 1));
  for (const char* name : kPhaseNames) profile.names.emplace_back(name);
  for (const char* name : kSectionNames) profile.names.emplace_back(name);
  for (const auto* list : {&s.slices, &s.calls_of_others}) {
    for (const Session::Slice& slice : *list) {
      const int thread = slice.thread == 0 ? 0 : slice.thread + callers;
      ProfileSlice out{thread, slice.name, slice.begin - s.begin, slice.end - s.begin, 0, {}, false};
      out.submits = slice.submits;
      for (const RequestRows& r : slice.requests) {
        out.rows += r.rows;
        if (const auto known = numbers.find(r.request); known != numbers.end())
          out.requests.push_back(known->second);
      }
      profile.slices.push_back(std::move(out));
    }
  }
  const auto first = static_cast<int>(profile.names.size());
  for (const StepInfo& info : model_.steps()) profile.names.push_back(info.node + "." + info.step);
  for (const Profiler::Event& event : s.profiler.events())
    profile.slices.push_back(
        {0, first + event.step, event.begin_seconds - s.begin, event.end_seconds - s.begin, 0, {}, false});
  add_worker_slices(model_.steps(), s.profiler.events(), s.workers, s.begin, profile);
  profile.trace_complete = s.profiler.events_complete();
  return profile;
}

}  // namespace attend
