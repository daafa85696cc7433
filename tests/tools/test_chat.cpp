// attend chat in a pipe, on a small language model with a template of its own.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/tools/process.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// The shared story model, which was not trained for chat, with a template that continues a story.
std::string chat_model(const std::string& name) {
  const char* shared = std::getenv("ATTEND_SHARED");
  const std::string root = shared != nullptr ? shared : std::string(ATTEND_SOURCE_DIR) + "/../shared";
  const std::filesystem::path source = root + "/models/llama-tinystories-656k";
  if (!std::filesystem::exists(source)) SKIP("there is no " << source);
  const std::string directory = scratch(name);
  for (const auto& file : std::filesystem::directory_iterator(source)) {
    std::filesystem::create_symlink(file.path(), directory + "/" + file.path().filename().string());
  }
  std::ofstream(directory + "/chat_template.jinja") << "{% for m in messages %}{{ m.content }} {% endfor %}";
  return directory;
}

TEST_CASE("chat: answers stream into a pipe, the history grows, /reset begins anew") {
  const std::string model = chat_model("chat_history");
  const std::vector<std::string> call{"chat", model, "--max-new-tokens", "8"};
  const std::string first = run_attend(call, "Once upon a time\n").out;
  CHECK(first.size() > 1);
  const ProcessResult twice =
      run_attend(call, "Once upon a time\n\nOnce upon a time\n/reset\nOnce upon a time\n");
  REQUIRE(twice.exit_code == 0);
  CHECK(twice.out.starts_with(first));
  CHECK(twice.out.ends_with(first));
  CHECK(twice.out != first + first + first);  // the second answer continues the first
}

TEST_CASE("chat: the system message comes from an option or a command") {
  const std::string model = chat_model("chat_system");
  const std::string by_option =
      run_attend({"chat", model, "--max-new-tokens", "8", "--system", "Lily had a dog."}, "One day\n").out;
  const std::string by_command =
      run_attend({"chat", model, "--max-new-tokens", "8"}, "/system Lily had a dog.\nOne day\n").out;
  CHECK(by_option == by_command);
  CHECK(by_option != run_attend({"chat", model, "--max-new-tokens", "8"}, "One day\n").out);
}

TEST_CASE("chat: commands end the conversation, drop the system message, or are named when mistyped") {
  const std::string model = chat_model("chat_commands");
  const std::vector<std::string> call{"chat", model, "--max-new-tokens", "8"};
  const std::string plain = run_attend(call, "One day\n").out;
  CHECK(run_attend(call, "One day\n/exit\nOne day\n").out == plain);
  CHECK(run_attend(call, "/system Lily had a dog.\n/system\nOne day\n").out == plain);
  const ProcessResult mistyped = run_attend(call, "/restart\nOne day\n");
  CHECK(mistyped.exit_code == 0);
  CHECK(mistyped.out == plain);
  CHECK_THAT(mistyped.err, ContainsSubstring("/restart"));
  CHECK_THAT(run_attend(call, "/help\n").err, ContainsSubstring("/exit"));
  CHECK(run_attend(call, "/usr/bin is a directory\n").out.size() > 1);  // a message
}

TEST_CASE("chat: a history that outgrows the context is refused with both lengths, /reset helps") {
  const std::string model = chat_model("chat_long");
  std::string story;
  for (int i = 0; i < 120; ++i) story += "and the dog ran and ran ";
  const std::vector<std::string> call{"chat", model, "--max-new-tokens", "8"};
  const ProcessResult result = run_attend(call, "One day\n" + story + "\n/reset\nOne day\n");
  CHECK(result.exit_code == 65);
  const std::string plain = run_attend(call, "One day\n").out;
  CHECK(result.out == plain + plain);
  CHECK_THAT(result.err, ContainsSubstring("512"));
  CHECK_THAT(result.err, ContainsSubstring("/reset"));
}

TEST_CASE("chat: beams answer all at once, a bad message is an error and not the end") {
  const std::string model = chat_model("chat_beams");
  const ProcessResult beams =
      run_attend({"chat", model, "--max-new-tokens", "4", "--num-beams", "2"}, "One day\n");
  CHECK(beams.exit_code == 0);
  CHECK(beams.out.size() > 1);
  const ProcessResult bad = run_attend({"chat", model, "--max-new-tokens", "4"}, "bad \xff\nOne day\n");
  CHECK(bad.exit_code == 65);
  CHECK(bad.out == run_attend({"chat", model, "--max-new-tokens", "4"}, "One day\n").out);
}

TEST_CASE("chat: Ctrl-C stops the answer and not the program") {
  const std::string model = chat_model("chat_interrupt");
  std::ofstream(model + "/chat_template.jinja") << "{{ messages[-1].content }}";
  constexpr int kMessages = 40;
  Process process({"chat", model, "--max-new-tokens", "200", "--min-new-tokens", "200"});
  for (int i = 0; i < kMessages; ++i) process.write("Once upon a time\n");
  process.close_input();
  process.wait_until_output_is_full();  // in the middle of an answer
  process.signal(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.exit_code == 0);
  CHECK(result.lines().size() >= kMessages);  // the answers after it came as well
}

TEST_CASE("threads wait briefly for each other, unless the environment says otherwise") {
  const std::string model = chat_model("chat_waiting");
  const auto spin_count = [&] {
    Process process({"chat", model, "--max-new-tokens", "4"});
    process.write("One day\n");
    process.read_line();
    const std::string count = process.environment("GOMP_SPINCOUNT");
    process.close_input();
    CHECK(process.wait().exit_code == 0);
    return count;
  };
  unsetenv("GOMP_SPINCOUNT");
  unsetenv("OMP_WAIT_POLICY");
  CHECK(spin_count() == "1000");
  setenv("OMP_WAIT_POLICY", "active", 1);
  CHECK(spin_count().empty());
  unsetenv("OMP_WAIT_POLICY");
  setenv("GOMP_SPINCOUNT", "7", 1);
  CHECK(spin_count() == "7");
  unsetenv("GOMP_SPINCOUNT");
}

TEST_CASE("chat: a translator does not converse, a directory without a template cannot") {
  const ProcessResult translator = run_attend({"chat", demo_model()}, "Hello\n");
  CHECK(translator.exit_code == 2);
  CHECK_THAT(translator.err, ContainsSubstring("translation"));
  const std::string model = chat_model("chat_no_template");
  std::filesystem::remove(model + "/chat_template.jinja");
  const ProcessResult result = run_attend({"chat", model}, "Hello\n");
  CHECK(result.exit_code == 65);
  CHECK(result.out.empty());
}

}  // namespace
}  // namespace attend::test
