// Loading a model: the tokenizer is read while the weights are packed.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

#include "attend/attend.h"
#include "attend/error.h"
#include "tests/api/golden_model.h"
#include "tests/support/temporary_directory.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

// Kind of the error that loading gives, with a progress callback that may throw on the packing threads.
std::string kind_of(const fs::path& directory, bool packing_fails) {
  LoadOptions options;
  options.threads = 2;
  if (packing_fails) options.progress = [](double) { throw Error("PACKING", "test", "fails"); };
  try {
    Model::load(directory, options);
  } catch (const Error& error) {
    return error.kind();
  }
  return "none";
}

}  // namespace

TEST_CASE("Which error of loading comes first does not depend on which thread was faster", "[concurrency]") {
  const test::TemporaryDirectory directory;
  const fs::path golden = test::goldens() / "llama-tiny";
  for (const char* name : {"config.json", "model.safetensors"}) fs::copy(golden / name, directory / name);
  CHECK(kind_of(directory.path(), false) == "none");
  CHECK(kind_of(directory.path(), true) == "PACKING");
  for (const std::string_view tokenizer : {"", "{}", R"({"model": {"type": "BPE"}})"}) {
    directory.write("tokenizer.json", tokenizer);
    const std::string expected = kind_of(directory.path(), false);
    CHECK(expected.starts_with("TOK_"));
    for (int i = 0; i < 20; ++i) CHECK(kind_of(directory.path(), true) == expected);
  }
}

}  // namespace attend
