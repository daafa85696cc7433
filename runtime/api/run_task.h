// Tasks of encoders: from a request to sequences for the scheduler, and from their outputs to its result.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "attend/attend.h"
#include "engine/model/model_def.h"
#include "runtime/profile/recorder.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/tasks/task_options.h"

namespace attend {

// What the tasks need to know of a checkpoint.
TaskConfig task_config(const ModelDef& def);

struct TaskEnvironment {
  const ModelDef& def;
  std::shared_ptr<const TaskConfig> config;
  const Tokenizer* tokenizer;  // may be null
  Scheduler& scheduler;
  ProfileRecorder& recorder;
  std::int64_t request_id;
};

// What a profile tells of a request that is done, whose number is its id.
ProfileRequest profiled_request(std::int64_t id, const Timing& timing);

// Throws Error when the request cannot be answered; otherwise `done` is called exactly once, from the
// scheduler's thread or this one. What `environment` refers to must live until then.
void submit_task(const TaskEnvironment& environment, Request request,
                 const std::shared_ptr<std::atomic<bool>>& cancelled, std::function<void(Result)> done);

// The scheduler's callback for a request's probe.
std::function<void(const RequestNodeValue&)> node_callback(std::function<void(const NodeValue&)> on_node);

}  // namespace attend
