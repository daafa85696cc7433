// Malformed checkpoints through the binary: a typed error on standard error, nothing on standard output, exit
// code 65. Each letter of the corpus is a test of its own, so that they run side by side.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

#include "tests/support/byte_builders.h"
#include "tests/support/malformed_corpus.h"
#include "tests/support/temporary_directory.h"
#include "tests/tools/process.h"

using namespace attend::test;

namespace {

bool names_a_kind(const MalformedCase& malformed, const std::string& text) {
  for (const std::string& kind : malformed.kinds) {
    if (text.find("[" + kind + "]") != std::string::npos) return true;
  }
  return false;
}

void check_cases(char letter) {
  const TemporaryDirectory root;
  int checked = 0;
  for (const MalformedCase& malformed : malformed_corpus()) {
    if (malformed.name[0] != letter || malformed.stage == MalformedStage::rope) continue;
    const std::filesystem::path directory = write_case(malformed, root.path());
    const bool weights_replaced = malformed.name.starts_with("S37");  // well formed, but not this model's
    const ProcessResult result = run_attend({"run", directory.string(), "--input-ids", "1,2"});
    INFO(malformed.name << "\n" << result.err);
    CHECK(result.err.find("Sanitizer") == std::string::npos);
    CHECK(result.err.find("runtime error") == std::string::npos);
    if (malformed.stage == MalformedStage::accepted && !weights_replaced) {
      CHECK(result.exit_code == 0);
    } else if (malformed.stage == MalformedStage::check_tensors || weights_replaced) {
      CHECK(result.exit_code == 65);
    } else {
      CHECK(result.exit_code == 65);
      CHECK(result.out.empty());
      CHECK(names_a_kind(malformed, result.err));
      CHECK(result.err.find(malformed.where) != std::string::npos);
    }
    std::filesystem::remove_all(directory);
    ++checked;
  }
  CHECK(checked >= 10);
}

// Standard error as a terminal gets it: no control characters but newlines.
bool is_plain(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; });
}

}  // namespace

TEST_CASE("names from files cannot steer the terminal", "[malformed]") {
  const TemporaryDirectory root;
  const std::filesystem::path model =
      std::filesystem::path(ATTEND_SOURCE_DIR) / "tests" / "goldens" / "llama-tiny";
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::create_symlink(model / file, root / file);
  root.write("generation_config.json", R"({"\u001b[31mred\u009b0m": 1})");
  const ProcessResult warned = run_attend({"run", root.path().string(), "--input-ids", "1,2", "--json"});
  CHECK(warned.exit_code == 0);
  CHECK(warned.err.find("\\x1B[31mred\\x9B0m") != std::string::npos);
  CHECK(is_plain(warned.err));
  std::filesystem::remove(root / "model.safetensors");
  write_bytes(root / "model.safetensors",
              safetensors_bytes(R"({"\u001b[31mred":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4));
  const ProcessResult refused = run_attend({"run", root.path().string(), "--input-ids", "1,2"});
  CHECK(refused.exit_code == 65);
  CHECK(refused.err.find("\\x1B[31mred") != std::string::npos);
  CHECK(is_plain(refused.err));
  const ProcessResult inspected = run_attend({"inspect", root.path().string()});
  CHECK(inspected.exit_code == 65);
  CHECK(inspected.out.find("\\x1B[31mred") != std::string::npos);
  CHECK(is_plain(inspected.out));
}

TEST_CASE("a configuration that is a link to itself is refused", "[malformed]") {
  const TemporaryDirectory root;
  std::filesystem::create_symlink("config.json", root / "config.json");
  for (const char* command : {"run", "inspect", "tokenize", "chat"}) {
    const ProcessResult result = run_attend({command, root.path().string()}, "a\n");
    INFO(command << "\n" << result.err << result.out);
    CHECK(result.exit_code == 65);
  }
}

TEST_CASE("malformed safetensors files end with exit code 65", "[malformed]") {
  check_cases('S');
}
TEST_CASE("malformed indexes end with exit code 65", "[malformed]") {
  check_cases('I');
}
TEST_CASE("malformed torch archives end with exit code 65", "[malformed]") {
  check_cases('P');
}
TEST_CASE("malformed configurations end with exit code 65", "[malformed]") {
  check_cases('C');
}
