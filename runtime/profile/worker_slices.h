// Tracks of a trace for the threads that work beside the scheduler's.
#pragma once

#include <vector>

#include "attend/profile.h"
#include "engine/profiler/profiler.h"
#include "engine/profiler/worker_spans.h"

namespace attend {

// Appends slices of the threads 1, 2, ... to `profile`, whose slices of thread 0 are there already; adds
// names. A worker's part in attend's own loops is named after the steps that it falls into. What oneDNN's
// threads do inside of a product is not known: the product is shown on each of their tracks, as "...
// (oneDNN)". `begin_seconds` is the profile's start on the steady clock; `events` ascend.
void add_worker_slices(const std::vector<StepInfo>& steps, const std::vector<Profiler::Event>& events,
                       const WorkerSpans& workers, double begin_seconds, Profile& profile);

}  // namespace attend
