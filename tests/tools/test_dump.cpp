// --dump: NumPy files by node name, rows appended over the steps.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "attend/error.h"
#include "tests/tools/process.h"
#include "tools/cli/npy.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;

struct Npy {
  std::string header;
  std::string data;
};

// The parts of an .npy file, by the letter of the format.
Npy read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path);
  REQUIRE(file);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(all.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t length = static_cast<unsigned char>(all[8]) + 256u * static_cast<unsigned char>(all[9]);
  CHECK((10 + length) % 64 == 0);
  CHECK(all[9 + length] == '\n');
  return {all.substr(10, length), all.substr(10 + length)};
}

std::vector<float> floats(const std::string& data) {
  std::vector<float> values(data.size() / sizeof(float));
  std::memcpy(values.data(), data.data(), values.size() * sizeof(float));
  return values;
}

TEST_CASE("npy: rows are appended and the shape follows") {
  const std::string path = scratch("npy") + "/x.npy";
  cli::NpyWriter writer(path);
  writer.append(Tensor::from(std::vector<float>{1, 2, 3}, {1, 3}));
  CHECK_THAT(read_npy(path).header, ContainsSubstring("'shape': (1, 3)"));
  writer.append(Tensor::from(std::vector<float>{4, 5, 6, 7, 8, 9}, {2, 3}));
  const Npy npy = read_npy(path);
  CHECK_THAT(npy.header, ContainsSubstring("'descr': '<f4'"));
  CHECK_THAT(npy.header, ContainsSubstring("'fortran_order': False"));
  CHECK_THAT(npy.header, ContainsSubstring("'shape': (3, 3)"));
  CHECK(floats(npy.data) == std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("npy: bf16 is widened, a vector keeps its comma") {
  const std::string path = scratch("npy_bf16") + "/x.npy";
  Tensor tensor(DType::bf16, {2});
  const std::uint16_t values[] = {0x3F80, 0xC000};  // 1 and -2
  std::memcpy(tensor.bytes(), values, sizeof(values));
  cli::NpyWriter(path).append(tensor);
  CHECK_THAT(read_npy(path).header, ContainsSubstring("'shape': (2, )"));
  CHECK(floats(read_npy(path).data) == std::vector<float>{1, -2});
}

TEST_CASE("npy: rows of another shape are refused") {
  cli::NpyWriter writer(scratch("npy_shape") + "/x.npy");
  writer.append(Tensor::zeros(DType::f32, {1, 3}));
  CHECK_THROWS_AS(writer.append(Tensor::zeros(DType::f32, {1, 4})), Error);
}

TEST_CASE("option --dump writes the logits of every generated token") {
  const std::string directory = scratch("dump") + "/values";
  const ProcessResult result =
      run_attend({"run", demo_model(), "--json", "--num-beams", "1", "--dump", directory, "I eat an apple."});
  REQUIRE(result.exit_code == 0);
  const std::size_t tokens = result.json_lines()[0]["output_ids"].size();
  const Npy logits = read_npy(directory + "/logits.npy");
  CHECK_THAT(logits.header, ContainsSubstring("'shape': (" + std::to_string(tokens) + ", "));
  const std::vector<float> values = floats(logits.data);
  CHECK(values.size() % tokens == 0);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    files += entry.path().extension() == ".npy";
  CHECK(files > 10);  // the nodes of the layers as well
}

TEST_CASE("option --dump-node writes these nodes alone, a directory for each of several inputs") {
  const std::string directory = scratch("dump_nodes") + "/values";
  const ProcessResult result = run_attend(
      {"run", demo_model(), "--dump", directory, "--dump-node", "logits", "I eat an apple.", "It is red."});
  REQUIRE(result.exit_code == 0);
  for (const char* index : {"0", "1"}) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory + "/" + index)) {
      names.push_back(entry.path().filename());
    }
    CHECK(names == std::vector<std::string>{"logits.npy"});
  }
}

TEST_CASE("a node that does not exist is an error with the nearest name") {
  const ProcessResult result =
      run_attend({"run", demo_model(), "--dump", scratch("dump_typo"), "--dump-node", "logit", "It is red."});
  CHECK(result.exit_code == 65);
  CHECK_THAT(result.err, ContainsSubstring("nearest first: logits, "));
}

}  // namespace
}  // namespace attend::test
