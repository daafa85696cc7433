// --dump DIR: every node's value as DIR/NAME.npy, or DIR/INDEX/NAME.npy with several inputs.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/npy.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> dump_options();

class Dump {
 public:
  // Null without --dump; throws a usage Error for --dump-node alone, an Error when DIR cannot be made.
  static std::unique_ptr<Dump> from(const Options& options, bool several_inputs);

  // What Request::on_node is set to for the input of this index.
  std::function<void(const NodeValue&)> recorder(std::size_t index);
  // Throws the first Error of a recorder, or one that names a --dump-node which never ran.
  void finish() const;

 private:
  void record(std::size_t index, const NodeValue& value);

  std::filesystem::path directory_;
  bool several_inputs_ = false;
  std::map<std::string, bool, std::less<>> wanted_;  // node to whether it ran; empty: all
  std::vector<std::string> other_nodes_;             // that ran but were not wanted, for a suggestion
  std::mutex mutex_;
  std::map<std::pair<std::size_t, std::string>, NpyWriter> writers_;
  std::optional<Error> error_;
};

}  // namespace attend::cli
