// The attend binary: finds the subcommand, turns errors into messages and exit codes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/output.h"
#include "tools/cli/suggest.h"
#include "tools/cli/waiting.h"

namespace attend::cli {
namespace {

const Command* const kCommands[] = {&kRunCommand,     &kChatCommand,     &kProfileCommand, &kAttentionCommand,
                                    &kInspectCommand, &kTokenizeCommand, &kBenchCommand,   &kQuantizeCommand};

std::string help() {
  std::string text =
      "attend runs Hugging Face transformer directories on CPUs, as they lie on disk.\n\n"
      "usage: attend COMMAND MODEL [options]\n\nCommands:\n";
  for (const Command* command : kCommands)
    text += fmt::format("  {:<12}{}\n", command->name, command->summary);
  return text +
         "\nExamples:\n"
         "  attend run opus-mt-en-de \"Where is the station?\"\n"
         "  attend run opus-mt-en-de --json --num-beams 4 < sentences.txt\n"
         "  attend tokenize opus-mt-en-de \"Where is the station?\"\n"
         "  attend bench opus-mt-en-de --file sentences.txt --batch-size 32\n\n"
         "'attend COMMAND --help' tells all options. Exit codes: 0 done, 2 wrong usage, 65 bad model or\n"
         "input data, 70 internal error, 130 interrupted.\n";
}

bool computes(std::string_view word) {
  return std::ranges::any_of(kCommands, [&](const Command* c) { return word == c->name && c->computes; });
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    std::cerr << help();
    return kExitUsage;
  }
  const std::string& word = arguments.front();
  if (word == "--help" || word == "-h" || word == "help") {
    std::cout << help() << std::flush;
    return kExitDone;
  }
  if (word == "--version") {
    std::cout << "attend " ATTEND_VERSION "\n" << std::flush;
    return kExitDone;
  }
  std::vector<std::string> names;
  for (const Command* command : kCommands) {
    if (word == command->name) return command->run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command->name);
  }
  throw usage_error("UNKNOWN_COMMAND", word,
                    fmt::format("there is no such command{} (there are {})", did_you_mean(word, names),
                                fmt::join(names, ", ")));
}

int guarded(const std::vector<std::string>& arguments) {
  try {
    return dispatch(arguments);
  } catch (const OutputClosed&) {
    return kExitDone;
  } catch (const Error& error) {
    print_error(error);
    return exit_code(error);
  } catch (const std::bad_alloc&) {
    print_error(internal_error("memory", "this machine has not enough free memory; see --max-memory"));
  } catch (const std::exception& error) {
    print_error(internal_error("attend", error.what()));
  }
  return kExitInternal;
}

}  // namespace
}  // namespace attend::cli

int main(int argc, char** argv) {
  if (argc > 1 && attend::cli::computes(argv[1])) attend::cli::wait_briefly(argv);
  attend::cli::install_signal_handling();
  return attend::cli::guarded({argv + 1, argv + argc});
}
