#include "runtime/profile/worker_slices.h"

#include <iterator>
#include <map>
#include <string>
#include <utility>

namespace attend {
namespace {

class Names {
 public:
  explicit Names(std::vector<std::string>& names) : names_(names) {}

  int of(std::string name) {
    const auto [entry, is_new] = ids_.try_emplace(std::move(name), static_cast<int>(names_.size()));
    if (is_new) names_.push_back(entry->first);
    return entry->second;
  }

 private:
  std::vector<std::string>& names_;
  std::map<std::string, int> ids_;
};

// "model.layers.0.self_attn.scores+softmax+mix": the steps of one loop are of one node.
std::string name_of_loop(const std::vector<StepInfo>& steps, const Profiler::Event* first,
                         const Profiler::Event* end) {
  const StepInfo& info = steps[static_cast<std::size_t>(first->step)];
  std::string name = info.node + "." + info.step;
  for (const Profiler::Event* event = first + 1; event != end; ++event) {
    const StepInfo& next = steps[static_cast<std::size_t>(event->step)];
    if (next.node == info.node) name += "+" + next.step;
  }
  return name;
}

// The innermost of the scheduler's slices at that moment, such as [sampler].
std::string name_of_section(const Profile& profile, std::size_t own_slices, double seconds) {
  const ProfileSlice* found = nullptr;
  for (std::size_t i = 0; i < own_slices; ++i) {
    const ProfileSlice& slice = profile.slices[i];
    if (slice.thread != 0 || slice.begin_seconds > seconds || slice.end_seconds < seconds) continue;
    if (found == nullptr || slice.begin_seconds >= found->begin_seconds) found = &slice;
  }
  return found == nullptr ? "[scheduler]" : profile.names[static_cast<std::size_t>(found->name)];
}

}  // namespace

void add_worker_slices(const std::vector<StepInfo>& steps, const std::vector<Profiler::Event>& events,
                       const WorkerSpans& workers, double begin_seconds, Profile& profile) {
  Names names(profile.names);
  const std::size_t own_slices = profile.slices.size();
  const auto add = [&](int thread, int name, double begin, double end) {
    ProfileSlice slice;
    slice.thread = thread;
    slice.name = name;
    slice.begin_seconds = begin - begin_seconds;
    slice.end_seconds = end - begin_seconds;
    profile.slices.push_back(std::move(slice));
  };
  for (int thread = 1; thread < workers.threads(); ++thread) {
    for (const Profiler::Event& event : events) {
      const StepInfo& info = steps[static_cast<std::size_t>(event.step)];
      if (info.implementation == "attend") continue;
      add(thread, names.of(info.node + "." + info.step + " (oneDNN)"), event.begin_seconds,
          event.end_seconds);
    }
    auto first = events.begin();
    for (const WorkerSpans::Span& span : workers.spans(thread)) {
      while (first != events.end() && first->end_seconds <= span.begin_seconds) ++first;
      auto end = first;
      while (end != events.end() && end->begin_seconds < span.end_seconds) ++end;
      // A loop of several steps has them one after another without a gap; the worker was there for some of
      // them.
      auto begin = first;
      if (begin != end) {
        while (begin != events.begin() && std::prev(begin)->end_seconds == begin->begin_seconds) --begin;
        while (end != events.end() && std::prev(end)->end_seconds == end->begin_seconds) ++end;
      }
      const std::string name = begin == end
                                   ? name_of_section(profile, own_slices, span.begin_seconds - begin_seconds)
                                   : name_of_loop(steps, &*begin, &*begin + (end - begin));
      add(thread, names.of(name), span.begin_seconds, span.end_seconds);
    }
  }
}

}  // namespace attend
