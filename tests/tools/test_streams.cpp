// Standard input and output as pipes use them: streaming, Ctrl-C, readers that go away, long files.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

const std::string kSentence = "The teacher reads a book in the library.";

TEST_CASE("each line is answered while the pipe stays open") {
  Process process({"run", demo_model()});
  process.write(kSentence + "\n");
  const std::string first = process.read_line();
  CHECK_FALSE(first.empty());
  process.write(kSentence + "\n");
  CHECK(process.read_line() == first);
  process.close_input();
  CHECK(process.wait().exit_code == 0);
}

TEST_CASE("standard input is not read when an input was given otherwise") {
  Process process({"run", demo_model(), kSentence});  // its standard input stays open and empty
  const ProcessResult result = process.wait();
  CHECK(result.exit_code == 0);
  CHECK(result.lines().size() == 1);
}

TEST_CASE("an interrupt ends with 130 and keeps what was done") {
  Process process({"run", demo_model()});
  process.write(kSentence + "\n");
  const std::string first = process.read_line();
  CHECK_FALSE(first.empty());
  process.signal(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.exit_code == 130);
}

TEST_CASE("an interrupt cancels requests under way") {
  const std::string path = scratch("interrupt") + "/lines.txt";
  std::ofstream file(path);
  for (int i = 0; i < 100'000; ++i) file << kSentence << '\n';
  file.close();
  Process process({"run", demo_model(), "--file", path});
  CHECK_FALSE(process.read_line().empty());
  process.signal(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.exit_code == 130);
  CHECK(result.lines().size() < 100'000);
}

TEST_CASE("a reader that goes away ends the program quietly") {
  const std::string path = scratch("reader") + "/lines.txt";
  std::ofstream file(path);
  for (int i = 0; i < 20'000; ++i) file << kSentence << '\n';
  file.close();
  Process process({"run", demo_model(), "--log-level", "error", "--file", path});
  CHECK_FALSE(process.read_line().empty());
  process.close_output();
  const ProcessResult result = process.wait();
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
}

TEST_CASE("results keep the order of the inputs, beyond the number in flight") {
  std::string input;
  std::string distinct[] = {"I eat an apple.", "The teacher reads a book.", "Do you drink tea?"};
  for (int i = 0; i < 400; ++i) input += distinct[i % 3] + "\n";
  const std::string path = scratch("order") + "/lines.txt";
  std::ofstream(path) << input;
  const ProcessResult all = run_attend({"run", demo_model(), "--file", path});
  REQUIRE(all.exit_code == 0);
  const std::vector<std::string> lines = all.lines();
  REQUIRE(lines.size() == 400);
  CHECK(lines[0] != lines[1]);
  for (std::size_t i = 3; i < lines.size(); ++i) REQUIRE(lines[i] == lines[i - 3]);
}

TEST_CASE("results are written to a full disk with an error, not silently lost") {
  if (!std::ifstream("/dev/full")) SKIP("this system has no /dev/full");
  const std::string command =
      std::string(ATTEND_BINARY) + " tokenize " + demo_model() + " abc > /dev/full 2> /dev/null";
  const int status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 70);
}

}  // namespace
}  // namespace attend::test
