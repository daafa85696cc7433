// What a subcommand is. Each has a file of its own that defines its Command; main.cpp lists them.
#pragma once

#include <string>
#include <vector>

namespace attend::cli {

struct Command {
  const char* name;
  const char* summary;  // one line of `attend --help`
  // `arguments` are the words after the subcommand. Returns the exit code; throws Error.
  int (*run)(const std::vector<std::string>& arguments);
  bool computes = false;  // whether it runs a model, on as many threads as there are
};

extern const Command kRunCommand;
extern const Command kChatCommand;
extern const Command kInspectCommand;
extern const Command kTokenizeCommand;
extern const Command kBenchCommand;
extern const Command kAttentionCommand;
extern const Command kProfileCommand;
extern const Command kQuantizeCommand;

}  // namespace attend::cli
