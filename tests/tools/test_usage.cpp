// Wrong calls: exit code 2, a message that names what was wrong and what was probably meant.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

TEST_CASE("help and version go to standard output") {
  const ProcessResult help = run_attend({"--help"});
  CHECK(help.exit_code == 0);
  CHECK_THAT(help.out, ContainsSubstring("attend run"));
  CHECK(help.err.empty());
  const ProcessResult version = run_attend({"--version"});
  CHECK(version.exit_code == 0);
  CHECK_THAT(version.out, StartsWith("attend "));
}

TEST_CASE("every subcommand that is listed has a help text") {
  for (const char* command : {"run", "chat", "inspect", "tokenize", "bench", "quantize"}) {
    CHECK_THAT(run_attend({"--help"}).out, ContainsSubstring(command));
    const ProcessResult help = run_attend({command, "--help"});
    CHECK(help.exit_code == 0);
    CHECK_THAT(help.out, StartsWith("usage: attend " + std::string(command)));
    CHECK_THAT(help.out, ContainsSubstring("Examples:"));
    CHECK_THAT(help.out, ContainsSubstring("--log-level"));
  }
}

TEST_CASE("without a subcommand the help goes to standard error") {
  const ProcessResult result = run_attend({});
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, ContainsSubstring("usage: attend"));
}

TEST_CASE("a mistyped subcommand is suggested") {
  const ProcessResult result = run_attend({"tokenise", "x"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, ContainsSubstring("did you mean tokenize?"));
}

TEST_CASE("a mistyped option is suggested") {
  const ProcessResult result = run_attend({"run", demo_model(), "--num-beems", "4", "x"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, ContainsSubstring("--num-beems"));
  CHECK_THAT(result.err, ContainsSubstring("did you mean --num-beams?"));
  CHECK_THAT(run_attend({"run", demo_model(), "-json", "x"}).err, ContainsSubstring("did you mean --json?"));
}

TEST_CASE("a missing model and a missing value are wrong usage") {
  CHECK(run_attend({"run"}).exit_code == 2);
  const ProcessResult result = run_attend({"run", demo_model(), "x", "--num-beams"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, ContainsSubstring("--num-beams N"));
}

TEST_CASE("a value out of range names the option and the range") {
  const std::vector<std::vector<std::string>> bad = {
      {"--num-beams", "0"},
      {"--num-beams", "4x"},
      {"--max-new-tokens", "-1"},
      {"--top-p", "1.5"},
      {"--temperature", "-1"},
      {"--early-stopping", "maybe"},
      {"--threads", "0"},
      {"--dtype", "f31"},
      {"--kv-dtype", "f16"},
      {"--max-memory", "lots"},
      {"--log-level", "loud"},
      {"--seed", "-1"},
      {"--num-beams", "99999999999999999999"},
      {"--input-ids", "5,x"},
      {"--input-ids", ""},
      {"--suppress-tokens", "5,,6"},
      {"--dump-node", "logits"},
      {"--token-type-ids", "0,0"},
      {"--length-penalty", "nan"},
  };
  for (const auto& option : bad) {
    std::vector<std::string> arguments{"run", demo_model(), "x"};
    arguments.insert(arguments.end(), option.begin(), option.end());
    const ProcessResult result = run_attend(arguments);
    INFO(option[0] << " " << option[1]);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, ContainsSubstring(option[0]));
  }
}

TEST_CASE("an unknown task is refused with those there are") {
  const ProcessResult result = run_attend({"run", demo_model(), "x", "--task", "object-detection"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, ContainsSubstring("translation"));
}

}  // namespace
}  // namespace attend::test
