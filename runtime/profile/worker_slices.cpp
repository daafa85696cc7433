#include "runtime/profile/worker_slices.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

// The scheduler's own slices, which nest: [step] holds [sampler].
class Sections {
 public:
  explicit Sections(const Profile& profile) : profile_(profile) {
    for (const ProfileSlice& slice : profile.slices) {
      if (slice.thread == 0) sections_.push_back({slice.begin_seconds, slice.end_seconds, slice.name, -1});
    }
    std::ranges::stable_sort(sections_, [](const Section& a, const Section& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
    for (int i = 1; i < static_cast<int>(sections_.size()); ++i)
      sections_[static_cast<std::size_t>(i)].parent =
          around(i - 1, sections_[static_cast<std::size_t>(i)].begin);
  }

  // The name of the innermost one at that moment.
  std::string name_at(double seconds) const {
    const auto next = std::ranges::upper_bound(sections_, seconds, {}, &Section::begin);
    const int found = around(static_cast<int>(next - sections_.begin()) - 1, seconds);
    return found < 0
               ? "[scheduler]"
               : profile_.names[static_cast<std::size_t>(sections_[static_cast<std::size_t>(found)].name)];
  }

 private:
  struct Section {
    double begin, end;
    int name;
    int parent;  // -1: none
  };

  // The section `i`, or the innermost around it, that lasts until that moment.
  int around(int i, double seconds) const {
    while (i >= 0 && sections_[static_cast<std::size_t>(i)].end < seconds)
      i = sections_[static_cast<std::size_t>(i)].parent;
    return i;
  }

  const Profile& profile_;
  std::vector<Section> sections_;
};

}  // namespace

void add_worker_slices(const std::vector<StepInfo>& steps, const std::vector<Profiler::Event>& events,
                       const WorkerSpans& workers, double begin_seconds, Profile& profile) {
  Names names(profile.names);
  const Sections sections(profile);
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
      if (info.implementation.starts_with("attend")) continue;
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
      const std::string name = begin == end ? sections.name_at(span.begin_seconds - begin_seconds)
                                            : name_of_loop(steps, &*begin, &*begin + (end - begin));
      add(thread, names.of(name), span.begin_seconds, span.end_seconds);
    }
  }
}

}  // namespace attend
