// Collects a profile from the scheduler's thread and from the threads that submit requests.
//
// The scheduler's thread keeps its own account without locks: it is in exactly one section at any time, so
// that the sections sum to the time that it was busy. Callers report intervals under a mutex.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "attend/profile.h"
#include "engine/plan/compiled_model.h"
#include "engine/profiler/profiler.h"

namespace attend {

enum class ProfilePhase : std::uint8_t { encoder, prefill, decode, mixed };
enum class ProfileSectionId : std::uint8_t { executor, sampler, scheduler, tokenizer, task };
inline constexpr int kProfilePhases = 4;
inline constexpr int kProfileSections = 5;

// Seconds on the steady clock.
using Interval = std::pair<double, double>;

// Seconds of `spans` (any order, may overlap) that lie outside of `busy` (ascending, disjoint) and within
// `whole`: each moment counts once.
double seconds_outside(std::vector<Interval> spans, const std::vector<Interval>& busy, Interval whole);

// A request's part of a pass.
struct RequestRows {
  std::int64_t request = 0;
  std::int64_t rows = 0;
  bool prompt = false;  // rows of its prompt
};

enum class ProfiledPass : std::uint8_t { encoder, decoder, sampler };

class ProfileRecorder {
 public:
  // `threads` compute.
  ProfileRecorder(const CompiledModel& model, int threads) : model_(model), threads_(threads) {}

  // Throws a usage Error (PROFILE_RUNNING) when a profile is being taken.
  void start(const ProfileOptions& options);
  // Waits for the scheduler to end what it does now. Throws a usage Error (PROFILE_NOT_RUNNING) without one.
  Profile stop();

  // --- For the scheduler's thread: a turn of its loop, within it passes over rows of several requests.
  void begin_turn();
  void end_turn();
  bool recording() const { return active_ != nullptr; }
  void begin_pass(ProfiledPass pass, const std::vector<RequestRows>& requests);
  void end_pass(ProfiledPass pass, const std::vector<RequestRows>& requests);
  Profiler* profiler() const;
  // Adds to what is known of the request, whose `number` is its id; may be called from any thread.
  void finished(const ProfileRequest& request);

  // --- For any thread.
  struct Entered {
    bool recorded = false;
    ProfileSectionId previous = ProfileSectionId::scheduler;
    double begin = 0;
  };
  Entered enter(ProfileSectionId section);
  // `request` is the id of the one concerned, or -1.
  void leave(const Entered& entered, ProfileSectionId section, std::int64_t request, bool submits);

 private:
  struct Session;

  const CompiledModel& model_;
  int threads_;
  std::atomic<bool> enabled_{false};
  std::atomic<std::thread::id> scheduler_thread_{};
  Session* active_ = nullptr;  // of the turn under way; the scheduler's thread alone
  std::mutex mutex_;           // of what follows
  std::condition_variable turn_ended_;
  std::shared_ptr<Session> session_, in_turn_;
};

// Its own lifetime, spent in `section`. A null recorder records nothing.
class ProfiledSection {
 public:
  ProfiledSection(ProfileRecorder* recorder, ProfileSectionId section, std::int64_t request = -1,
                  bool submits = false)
      : recorder_(recorder), section_(section), request_(request), submits_(submits) {
    if (recorder_ != nullptr) entered_ = recorder_->enter(section_);
  }
  ~ProfiledSection() {
    if (entered_.recorded) recorder_->leave(entered_, section_, request_, submits_);
  }
  ProfiledSection(const ProfiledSection&) = delete;
  ProfiledSection& operator=(const ProfiledSection&) = delete;

 private:
  ProfileRecorder* recorder_;
  ProfileSectionId section_;
  std::int64_t request_;
  bool submits_;
  ProfileRecorder::Entered entered_;
};

// A turn of the scheduler's loop.
class ProfiledTurn {
 public:
  explicit ProfiledTurn(ProfileRecorder* recorder) : recorder_(recorder) {
    if (recorder_ != nullptr) recorder_->begin_turn();
  }
  ~ProfiledTurn() {
    if (recorder_ != nullptr) recorder_->end_turn();
  }
  ProfiledTurn(const ProfiledTurn&) = delete;
  ProfiledTurn& operator=(const ProfiledTurn&) = delete;

 private:
  ProfileRecorder* recorder_;
};

// A pass, for the rows of `list`'s requests as `rows_of(element)` gives them.
class ProfiledRun {
 public:
  template <typename List, typename RowsOf>
  ProfiledRun(ProfileRecorder* recorder, ProfiledPass pass, const List& list, RowsOf&& rows_of)
      : recorder_(recorder != nullptr && recorder->recording() ? recorder : nullptr), pass_(pass) {
    if (recorder_ == nullptr) return;
    for (const auto& element : list) {
      if (const RequestRows rows = rows_of(element); rows.rows > 0) requests_.push_back(rows);
    }
    recorder_->begin_pass(pass_, requests_);
  }
  ~ProfiledRun() {
    if (recorder_ != nullptr) recorder_->end_pass(pass_, requests_);
  }
  ProfiledRun(const ProfiledRun&) = delete;
  ProfiledRun& operator=(const ProfiledRun&) = delete;

  Profiler* profiler() const { return recorder_ == nullptr ? nullptr : recorder_->profiler(); }

 private:
  ProfileRecorder* recorder_;
  ProfiledPass pass_;
  std::vector<RequestRows> requests_;
};

}  // namespace attend
