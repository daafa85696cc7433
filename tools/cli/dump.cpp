#include "tools/cli/dump.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "tools/cli/suggest.h"

namespace attend::cli {

std::vector<OptionSpec> dump_options() {
  return {
      {"dump", OptionKind::value, "DIR", "write every node's value as DIR/NAME.npy"},
      {"dump-node", OptionKind::list, "NAME", "only this node's; may be repeated"},
  };
}

std::unique_ptr<Dump> Dump::from(const Options& options, bool several_inputs) {
  const auto directory = options.text("dump");
  if (!directory) {
    if (options.has("dump-node")) {
      throw usage_error("OPTION_VALUE", "--dump-node", "needs --dump DIR, the directory to write to");
    }
    return nullptr;
  }
  auto dump = std::make_unique<Dump>();
  dump->directory_ = *directory;
  dump->several_inputs_ = several_inputs;
  for (const std::string& node : options.list("dump-node")) dump->wanted_[node] = false;
  std::error_code error;
  std::filesystem::create_directories(dump->directory_, error);
  if (error) throw Error("OUTPUT", *directory, "this directory cannot be made: " + error.message());
  return dump;
}

std::function<void(const NodeValue&)> Dump::recorder(std::size_t index) {
  return [this, index](const NodeValue& value) {
    const std::scoped_lock lock(mutex_);
    if (error_) return;
    try {
      record(index, value);
    } catch (const Error& error) {
      error_ = error;
    }
  };
}

void Dump::record(std::size_t index, const NodeValue& value) {
  if (!wanted_.empty()) {
    const auto wanted = wanted_.find(value.node);
    if (wanted == wanted_.end()) {
      if (std::ranges::find(other_nodes_, value.node) == other_nodes_.end())
        other_nodes_.emplace_back(value.node);
      return;
    }
    wanted->second = true;
  }
  const std::pair<std::size_t, std::string> key(index, value.node);
  auto writer = writers_.find(key);
  if (writer == writers_.end()) {
    std::string file_name = key.second + ".npy";
    std::ranges::replace(file_name, '/', '_');
    const std::filesystem::path directory = several_inputs_ ? directory_ / std::to_string(index) : directory_;
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) throw Error("OUTPUT", directory.string(), "this directory cannot be made: " + error.message());
    writer = writers_.emplace(key, NpyWriter(directory / file_name)).first;
  }
  writer->second.append(value.value);
}

void Dump::finish() const {
  if (error_) throw *error_;
  for (const auto& [node, ran] : wanted_) {
    if (!ran) {
      throw Error("UNKNOWN_NODE", node, "no node of this name ran" + nearest_first(node, other_nodes_));
    }
  }
}

}  // namespace attend::cli
