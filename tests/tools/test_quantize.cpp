// attend quantize through the binary: the contract of its words, its output and its exit codes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <string>

#include "tests/support/temporary_directory.h"
#include "tests/tools/process.h"

namespace attend::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("a quantised demonstration model translates as the model does with --dtype int8", "[quantize]") {
  const TemporaryDirectory root;
  const std::string out = root / "int8";
  const ProcessResult quantized = run_attend({"quantize", demo_model(), out});
  INFO(quantized.err);
  REQUIRE(quantized.exit_code == 0);
  CHECK(quantized.out.empty());
  CHECK_THAT(quantized.err, ContainsSubstring(out));
  const std::string input = "Did you buy three apples yesterday?\nPlease do not read his map.\n";
  const ProcessResult expected = run_attend({"run", demo_model(), "--dtype", "int8"}, input);
  const ProcessResult found = run_attend({"run", out}, input);
  INFO(found.err);
  CHECK(found.exit_code == 0);
  CHECK(expected.lines().size() == 2);
  CHECK(found.out == expected.out);
  const auto inspection = run_attend({"inspect", out, "--json"}).json_lines().at(0);
  CHECK(inspection["supported"] == true);
  CHECK(fs::file_size(fs::path(out) / "model.safetensors") >=
        inspection["weights_file_bytes"].get<std::uint64_t>());
  CHECK(inspection["weights_file_bytes"].get<double>() <
        0.5 * static_cast<double>(fs::file_size(fs::path(demo_model()) / "model.safetensors")));

  const ProcessResult again = run_attend({"quantize", demo_model(), out});
  CHECK(again.exit_code == 2);
  CHECK_THAT(again.err, ContainsSubstring("[QUANTIZE_OUT]"));
  const ProcessResult twice = run_attend({"quantize", out, root / "twice"});
  CHECK(twice.exit_code == 65);
  CHECK_THAT(twice.err, ContainsSubstring("[QUANTIZE_ALREADY]"));
}

TEST_CASE("attend quantize tells what it wrote as JSON", "[quantize]") {
  const TemporaryDirectory root;
  const ProcessResult result =
      run_attend({"quantize", demo_model(), root / "out", "--json", "--dtype", "int8"});
  REQUIRE(result.exit_code == 0);
  REQUIRE(result.lines().size() == 1);
  const auto json = result.json_lines().at(0);
  CHECK(json["path"] == (root / "out").string());
  CHECK(json["dtype"] == "int8");
  CHECK(json["quantized_tensors"].get<int>() > 10);
  CHECK(json["quantized_file_bytes"].get<double>() < json["weights_file_bytes"].get<double>());
}

TEST_CASE("attend quantize refuses what it cannot do", "[quantize][usage]") {
  const TemporaryDirectory root;
  const auto check = [&](int code, const std::string& kind, const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"quantize"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const ProcessResult result = run_attend(arguments);
    INFO(result.err);
    CHECK(result.exit_code == code);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, ContainsSubstring("[" + kind + "]"));
    CHECK(fs::is_empty(root.path()));
  };
  check(2, "MISSING_MODEL", {});
  check(2, "QUANTIZE_OUT", {demo_model()});
  check(2, "QUANTIZE_OUT", {demo_model(), root / "a", root / "b"});
  check(2, "QUANTIZE_OUT", {demo_model(), demo_model()});
  check(2, "QUANTIZE_OUT", {demo_model(), root / "missing/out"});
  check(2, "DTYPE_UNSUPPORTED", {demo_model(), root / "a", "--dtype", "bf16"});
  check(2, "UNKNOWN_OPTION", {demo_model(), root / "a", "--bits", "4"});
  check(65, "MODEL_DIR_NOT_FOUND", {root / "nowhere", root / "a"});
}

}  // namespace attend::test
