// attend inspect: what a checkpoint is, whether it runs, what it takes; its graph as data.
#include "attend/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"

namespace attend::cli {
namespace {

constexpr std::size_t kMostGroups = 40;  // of the text; --json has all

Options make_options() {
  Options options("inspect MODEL",
                  "Tells what a model directory is, whether it runs here, and what it takes, from headers\n"
                  "and configuration alone. Exit code 65 when it cannot run; the output says why.",
                  {"attend inspect opus-mt-en-de", "attend inspect opus-mt-en-de --json",
                   "attend inspect llama --graph > graph.json    # runs in place of config.json",
                   "attend inspect llama --graph --dot | dot -Tsvg > graph.svg"});
  options.add_group("Output",
                    {{"json", OptionKind::flag, "", "one JSON object on one line"},
                     {"graph", OptionKind::flag, "", "the graph: nodes, attributes, weights by name"},
                     {"dot", OptionKind::flag, "", "with --graph: for Graphviz"}});
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

nlohmann::ordered_json groups_json(const std::vector<TensorGroup>& groups) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const TensorGroup& group : groups) {
    list.push_back({{"name", group.name},
                    {"tensors", group.tensors},
                    {"parameters", group.parameters},
                    {"bytes", group.bytes},
                    {"dtypes", group.dtypes}});
  }
  return list;
}

nlohmann::ordered_json inspection_json(const Inspection& inspection, double ms) {
  const ModelInfo& info = inspection.info;
  const MemoryPlan& memory = inspection.memory;
  nlohmann::ordered_json json = {
      {"architecture", info.architecture},
      {"model_type", info.model_type},
      {"supported", inspection.supported},
      {"definition", inspection.graph_file ? "graph.json" : "built in"},
      {"task", info.task},
      {"tasks", info.tasks},
      {"dtype", info.dtype},
      {"kv_dtype", info.kv_dtype},
      {"instruction_set", info.instruction_set},
      {"threads", info.threads},
      {"parameters", info.parameters},
      {"max_input_tokens", info.max_input_tokens},
      {"max_output_tokens", inspection.max_output_tokens},
      {"vocab_size", info.vocab_size},
      {"weights_bytes", memory.weights_bytes},
      {"weights_file_bytes", memory.weights_file_bytes},
      {"cache_bytes_per_token", memory.cache_bytes_per_token},
      {"cross_cache_bytes_per_token", memory.cross_cache_bytes_per_token},
      {"arena_bytes", memory.arena_bytes},
      {"arena_tokens", memory.arena_tokens},
      {"inspect_ms", ms},
  };
  if (!inspection.tokenizer.empty()) json["tokenizer"] = inspection.tokenizer;
  json["tensors"] = groups_json(inspection.tensors);
  for (const Issue& issue : inspection.problems)
    json["problems"].push_back({{"kind", issue.kind}, {"where", issue.where}, {"message", issue.message}});
  return json;
}

std::string size_text(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.2f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f} MB", value / 1e6);
  return value >= 1e4 ? fmt::format("{:.0f} kB", value / 1e3) : fmt::format("{} bytes", bytes);
}

std::string count_text(std::int64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.2f} billion", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} million", value / 1e6);
  return value >= 1e4 ? fmt::format("{:.1f} thousand", value / 1e3) : std::to_string(count);
}

std::string limit_text(std::int64_t tokens) {
  return tokens > 0 ? fmt::format("{} tokens", tokens) : "no limit";
}

// "a > b > c" in lines that leave room for the first column.
std::vector<std::string> wrapped(const std::vector<std::string>& parts) {
  constexpr std::size_t kColumns = 64;
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string part = (i > 0 ? "> " : "") + parts[i];
    if (!lines.back().empty() && lines.back().size() + 1 + part.size() > kColumns) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + part;
  }
  return lines;
}

using Row = std::pair<std::string, std::string>;

void add_sizes(std::vector<Row>& rows, const Inspection& inspection) {
  const ModelInfo& info = inspection.info;
  const MemoryPlan& memory = inspection.memory;
  rows.push_back({"tasks", info.tasks.empty() ? "none" : fmt::format("{}", fmt::join(info.tasks, ", "))});
  rows.push_back({"vocabulary", fmt::format("{} tokens", info.vocab_size)});
  rows.push_back({"longest input", limit_text(info.max_input_tokens)});
  if (memory.cache_bytes_per_token > 0)
    rows.push_back({"longest output", limit_text(inspection.max_output_tokens)});
  rows.push_back({"computes in", fmt::format("{} on {} thread{}, {}", info.dtype, info.threads,
                                             info.threads == 1 ? "" : "s", info.instruction_set)});
  rows.push_back({"weights", fmt::format("{} in memory, {} on disk", size_text(memory.weights_bytes),
                                         size_text(memory.weights_file_bytes))});
  if (memory.cache_bytes_per_token > 0) {
    rows.push_back({"cache", fmt::format("{} a token{}, in {}", size_text(memory.cache_bytes_per_token),
                                         memory.cross_cache_bytes_per_token == 0
                                             ? ""
                                             : fmt::format(", {} a source token",
                                                           size_text(memory.cross_cache_bytes_per_token)),
                                         info.kv_dtype)});
  }
  rows.push_back({"arena", fmt::format("{} for a step of {} tokens", size_text(memory.arena_bytes),
                                       memory.arena_tokens)});
}

std::vector<Row> inspection_rows(const Inspection& inspection, double ms) {
  const ModelInfo& info = inspection.info;
  std::vector<Row> rows;
  rows.push_back(
      {"architecture", fmt::format("{}{}{}", info.architecture.empty() ? "unknown" : info.architecture,
                                   info.model_type.empty() ? "" : " (" + info.model_type + ")",
                                   inspection.graph_file ? ", defined by its graph.json" : "")});
  rows.push_back({"runs", inspection.supported ? "yes" : "no"});
  for (const Issue& issue : inspection.problems)
    rows.push_back({"  because", fmt::format("{}: {} [{}]", issue.where, issue.message, issue.kind)});
  rows.push_back({"parameters", count_text(info.parameters)});
  if (inspection.memory.weights_bytes > 0) {
    add_sizes(rows, inspection);
  } else {
    rows.push_back({"weights", size_text(inspection.memory.weights_file_bytes) + " on disk"});
  }
  std::string label = "tokenizer";
  if (inspection.tokenizer.empty()) rows.push_back({label, "none: only --input-ids can be run"});
  for (const std::string& line :
       inspection.tokenizer.empty() ? std::vector<std::string>() : wrapped(inspection.tokenizer)) {
    rows.push_back({label, line});
    label.clear();
  }
  rows.push_back({"inspected in", fmt::format("{:.0f} ms", ms)});
  return rows;
}

void write_groups(const std::vector<TensorGroup>& groups) {
  if (groups.empty()) return;
  write_line("");
  write_line(fmt::format("{:<46}{:>8}{:>14}{:>11}", "tensors", "count", "parameters", "type"));
  for (std::size_t i = 0; i < std::min(groups.size(), kMostGroups); ++i) {
    const TensorGroup& group = groups[i];
    const std::string name =
        group.name.size() <= 45 ? group.name : "~" + group.name.substr(group.name.size() - 44);
    write_line(fmt::format("{:<46}{:>8}{:>14}{:>11}", printable(name), group.tensors, group.parameters,
                           fmt::format("{}", fmt::join(group.dtypes, ","))));
  }
  if (groups.size() > kMostGroups)
    write_line(fmt::format("... and {} more groups; --json has them all", groups.size() - kMostGroups));
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  const std::string directory = model_argument(options);
  if (options.flag("dot") && !options.flag("graph"))
    throw usage_error("OPTION_VALUE", "--dot", "is a form of --graph; give both");
  if (options.flag("graph")) {
    write_text(options.flag("dot") ? model_graph_dot(directory) : model_graph_json(directory));
    return kExitDone;
  }
  const auto begin = std::chrono::steady_clock::now();
  const Inspection inspection = inspect_model(directory, load_options(options));
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (options.flag("json")) {
    write_json(inspection_json(inspection, ms));
  } else {
    for (const auto& [name, value] : inspection_rows(inspection, ms))
      write_line(fmt::format("{:<15}{}", name, printable(value)));
    write_groups(inspection.tensors);
  }
  return inspection.supported ? kExitDone : kExitData;
}

}  // namespace

const Command kInspectCommand = {"inspect", "what a model directory holds, and how it would run", run};

}  // namespace attend::cli
