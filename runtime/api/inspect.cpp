#include "attend/inspect.h"

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "attend/tokenizer.h"
#include "engine/model/quantized_weights.h"
#include "engine/plan/compiled_model.h"
#include "loaders/files/config_reader.h"
#include "loaders/files/weights.h"
#include "loaders/graph/graph_file.h"
#include "loaders/load_model.h"
#include "loaders/tokenizers/load_tokenizer.h"
#include "runtime/api/machine.h"
#include "runtime/api/memory_plan.h"
#include "runtime/api/precision.h"
#include "runtime/api/run_task.h"

namespace attend {
namespace {

// "model.layers.*.mlp.up_proj" of "model.layers.3.mlp.up_proj.weight".
std::string group_of(const std::string& tensor) {
  std::string group;
  std::size_t begin = 0;
  for (std::size_t end = tensor.find('.'); end != std::string::npos; end = tensor.find('.', begin)) {
    const std::string part = tensor.substr(begin, end - begin);
    const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    group += (group.empty() ? "" : ".") + (number ? "*" : part);
    begin = end + 1;
  }
  return group.empty() ? tensor : group;
}

std::vector<TensorGroup> tensor_groups(const WeightStore& store) {
  std::vector<TensorGroup> groups;
  std::map<std::string, std::size_t> by_name;
  for (const TensorInfo* tensor : store.tensors()) {
    const auto [found, added] = by_name.emplace(group_of(tensor->name), groups.size());
    if (added) groups.push_back({found->first, 0, 0, 0, {}});
    TensorGroup& group = groups[found->second];
    ++group.tensors;
    // Scales of 8-bit weights are no parameters.
    if (!is_scale(*tensor, store)) group.parameters += tensor->shape.elements();
    group.bytes += tensor->size_bytes();
    const std::string dtype(name(tensor->dtype));
    if (std::find(group.dtypes.begin(), group.dtypes.end(), dtype) == group.dtypes.end())
      group.dtypes.push_back(dtype);
  }
  return groups;
}

// What matrices that are mostly of one type are computed in.
std::string automatic_dtype(const ModelDef& def, const WeightStore& store) {
  constexpr std::int64_t kTypicalWidth = 1024;
  if (def.quantized) return DenseLibrary().prefers(DType::i8, kTypicalWidth, kTypicalWidth) ? "int8" : "f32";
  std::uint64_t narrow = 0;
  std::uint64_t total = 0;
  for (const TensorInfo* tensor : store.tensors()) {
    if (tensor->shape.rank() < 2) continue;
    total += tensor->size_bytes();
    if (tensor->dtype == DType::bf16) narrow += tensor->size_bytes();
  }
  const bool bf16 = 2 * narrow > total && DenseLibrary().prefers(DType::bf16, kTypicalWidth, kTypicalWidth);
  return bf16 ? "bf16" : "f32";
}

// Calls `read`; an Error goes to the problems, each once.
template <typename Read>
void collect(Inspection& inspection, Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    for (const Issue& issue : error.issues()) {
      const auto same = [&](const Issue& other) {
        return other.kind == issue.kind && other.where == issue.where;
      };
      if (std::none_of(inspection.problems.begin(), inspection.problems.end(), same))
        inspection.problems.push_back(issue);
    }
  }
}

void describe(Inspection& inspection, const LoadedModel& loaded, Precision precision,
              const LoadOptions& options) {
  ModelInfo& info = inspection.info;
  const ModelDef& def = loaded.def;
  info.architecture = def.architecture;
  info.model_type = def.model_type;
  info.tasks = task_config(def).tasks;
  info.task = info.tasks.empty() ? "" : info.tasks.front();
  info.parameters = weight_elements(def);
  info.max_input_tokens = def.max_positions;
  info.vocab_size = def.vocab_size;
  inspection.max_output_tokens = def.max_target_positions;
  info.kv_dtype = effective_kv_dtype(def, options.kv_dtype);
  inspection.memory = memory_plan(def, *loaded.weights, precision, parse_kv_dtype(options.kv_dtype));
  info.weights_bytes = inspection.memory.weights_bytes;
  info.weights_file_bytes = inspection.memory.weights_file_bytes;
  info.cache_bytes_per_token = inspection.memory.cache_bytes_per_token;
  inspection.tensors = tensor_groups(*loaded.weights);
  if (loaded.tokenizer != nullptr) inspection.tokenizer = loaded.tokenizer->components();
}

// What the files of a model tell that cannot run.
void describe_files(Inspection& inspection, const std::filesystem::path& directory) {
  ModelInfo& info = inspection.info;
  if (!inspection.graph_file) {
    collect(inspection, [&] {
      const ConfigReader config(directory);
      for (const std::string& name : config.optional_strings("architectures"))
        info.architecture += (info.architecture.empty() ? "" : ", ") + name;
      info.model_type = config.model_type();
    });
  }
  collect(inspection, [&] {
    const std::unique_ptr<StoredTensors> weights = open_weights(directory);
    inspection.tensors = tensor_groups(*weights);
    for (const TensorGroup& group : inspection.tensors) {
      info.parameters += group.parameters;
      info.weights_file_bytes += group.bytes;
    }
    inspection.memory.weights_file_bytes = info.weights_file_bytes;
  });
  collect(inspection, [&] {
    if (const auto tokenizer = load_tokenizer(directory)) inspection.tokenizer = tokenizer->components();
  });
}

}  // namespace

Inspection inspect_model(const std::filesystem::path& directory, const LoadOptions& options) {
  check_model_directory(directory);
  Inspection inspection;
  inspection.graph_file = has_graph_file(directory);
  inspection.info.threads = options.threads > 0 ? options.threads : usable_processors();
  inspection.info.instruction_set = instruction_set();
  inspection.info.dtype = options.dtype;
  Precision precision = Precision::automatic;
  collect(inspection, [&] { precision = parse_precision(options.dtype); });
  collect(inspection, [&] {
    const LoadedModel loaded = load_model(directory);
    describe(inspection, loaded, precision, options);
    if (precision == Precision::automatic)
      inspection.info.dtype = automatic_dtype(loaded.def, *loaded.weights);
    check_memory(loaded.def, *loaded.weights, precision,
                 options.max_memory_bytes > 0 ? options.max_memory_bytes : available_memory_bytes());
  });
  inspection.supported = inspection.problems.empty();
  if (inspection.info.architecture.empty()) describe_files(inspection, directory);
  return inspection;
}

std::string model_graph_json(const std::filesystem::path& directory) {
  const LoadedModel loaded = load_model(directory);
  return write_graph(loaded.def, *loaded.weights);
}

std::string model_graph_dot(const std::filesystem::path& directory) {
  return write_dot(load_model(directory).def);
}

}  // namespace attend
