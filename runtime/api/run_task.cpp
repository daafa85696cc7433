#include "runtime/api/run_task.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/api/attention_layers.h"
#include "runtime/tasks/task.h"

namespace attend {
namespace {

// Rows `wanted` of [T, C]; the tensor itself when it has no others.
Tensor picked_rows(const Tensor& tensor, const std::vector<std::int32_t>& wanted) {
  if (wanted.empty() || tensor.shape()[0] == static_cast<std::int64_t>(wanted.size())) return tensor;
  const std::int64_t width = tensor.shape()[1];
  const std::span<const float> values = tensor.f32();
  std::vector<float> rows;
  rows.reserve(wanted.size() * static_cast<std::size_t>(width));
  for (const std::int32_t row : wanted) {
    const auto first = values.begin() + row * width;
    rows.insert(rows.end(), first, first + width);
  }
  return Tensor::from(rows, {static_cast<std::int64_t>(wanted.size()), width});
}

// One request under way: its sequences come back one by one, in any order.
class TaskRun {
 public:
  TaskRun(std::unique_ptr<Task> task, TaskPlan plan, const TaskEnvironment& environment,
          std::function<void(Result)> done)
      : task_(std::move(task)),
        plan_(std::move(plan)),
        recorder_(&environment.recorder),
        id_(environment.request_id),
        done_(std::move(done)),
        outputs_(plan_.inputs.size()),
        left_(plan_.inputs.size()) {}

  const TaskPlan& plan() const { return plan_; }

  void receive(std::size_t index, Outcome outcome) {
    {
      const std::lock_guard lock(mutex_);
      keep(index, std::move(outcome));
      if (--left_ > 0) return;
    }
    if (!result_.error) {
      const ProfiledSection section(recorder_, ProfileSectionId::task, id_);
      try {
        result_.value = task_->finish(plan_, outputs_);
      } catch (const Error& error) {
        result_.error = error;
      }
    }
    recorder_->finished(profiled_request(id_, result_.timing));
    done_(std::move(result_));
  }

 private:
  void keep(std::size_t index, Outcome outcome) {
    Timing& timing = result_.timing;
    timing.queue_ms = std::max(timing.queue_ms, outcome.queue_ms);
    timing.encode_ms = std::max(timing.encode_ms, outcome.encode_ms);
    timing.total_ms = std::max(timing.total_ms, outcome.total_ms);
    timing.input_tokens += static_cast<std::int64_t>(plan_.inputs[index].ids.size());
    if (outcome.error && !result_.error) result_.error = std::move(outcome.error);
    if (result_.error) return;
    for (const std::string_view name : task_->outputs()) {
      const auto found = std::find_if(outcome.outputs.begin(), outcome.outputs.end(),
                                      [&](const NamedTensor& output) { return output.name == name; });
      if (found == outcome.outputs.end()) {
        result_.error = internal_error("MODEL_OUTPUT", "the graph has no output " + std::string(name));
        return;
      }
      outputs_[index].push_back(picked_rows(found->tensor, plan_.inputs[index].rows));
    }
  }

  std::unique_ptr<Task> task_;
  TaskPlan plan_;
  ProfileRecorder* recorder_;
  std::int64_t id_;
  std::function<void(Result)> done_;
  std::mutex mutex_;
  std::vector<ModelOutputs> outputs_;
  std::size_t left_;
  Result result_;
};

}  // namespace

TaskConfig task_config(const ModelDef& def) {
  TaskConfig config;
  config.tasks = def.tasks;
  for (const std::string_view task : tasks_of_head(def.head)) config.tasks.emplace_back(task);
  // A checkpoint that says how its embeddings are made is there for them.
  const auto embedding = std::find(config.tasks.begin(), config.tasks.end(), "sentence-embedding");
  if (def.sentence_embedding.from_files && embedding != config.tasks.end())
    std::rotate(config.tasks.begin(), embedding, embedding + 1);
  config.labels = def.labels;
  config.problem_type = def.problem_type;
  config.sentence_embedding = def.sentence_embedding;
  config.cross_encoder_activation = def.cross_encoder_activation;
  config.max_input_tokens = static_cast<std::int32_t>(def.max_positions);
  return config;
}

void submit_task(const TaskEnvironment& environment, Request request,
                 const std::shared_ptr<std::atomic<bool>>& cancelled, std::function<void(Result)> done) {
  std::unique_ptr<Task> task =
      make_task(request.task, environment.config, std::move(request.task_options), environment.tokenizer);
  TaskPlan plan = [&] {
    const ProfiledSection section(&environment.recorder, ProfileSectionId::tokenizer, environment.request_id,
                                  true);
    return task->plan(request.input);
  }();
  const auto run = std::make_shared<TaskRun>(std::move(task), std::move(plan), environment, std::move(done));
  const std::vector<ModelInput>& inputs = run->plan().inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ScheduledRequest scheduled;
    scheduled.mode = ScheduledRequest::Mode::encode;
    scheduled.id = environment.request_id;
    scheduled.input_ids = inputs[i].ids;
    if (environment.def.token_types > 0) scheduled.token_types = inputs[i].type_ids;
    // A probe sees every position.
    if (request.on_node) {
      scheduled.on_node = node_callback(request.on_node);
    } else {
      scheduled.sampled_rows = inputs[i].rows;
    }
    add_head_scales(environment.def, request.head_scales, {}, scheduled);
    scheduled.cancelled = cancelled;
    scheduled.on_done = [run, i](Outcome outcome) { run->receive(i, std::move(outcome)); };
    environment.scheduler.submit(std::move(scheduled));
  }
}

ProfileRequest profiled_request(std::int64_t id, const Timing& timing) {
  ProfileRequest request;
  request.number = id;
  request.input_tokens = timing.input_tokens;
  request.output_tokens = timing.output_tokens;
  request.queue_seconds = timing.queue_ms / 1e3;
  request.total_seconds = timing.total_ms / 1e3;
  return request;
}

std::function<void(const RequestNodeValue&)> node_callback(std::function<void(const NodeValue&)> on_node) {
  return [on_node = std::move(on_node)](const RequestNodeValue& value) {
    const Tensor copy =
        Tensor::from({value.data, static_cast<std::size_t>(value.shape.elements())}, value.shape);
    on_node({value.node, copy});
  };
}

}  // namespace attend
