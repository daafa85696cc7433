// Reading tensors of well-formed checkpoints, and what open_weights says when there is none.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/files/safetensors.h"
#include "loaders/files/safetensors_writer.h"
#include "loaders/files/torch_archive.h"
#include "loaders/files/weights.h"
#include "tests/support/byte_builders.h"
#include "tests/support/temporary_directory.h"

namespace fs = std::filesystem;
using namespace attend;
using namespace attend::test;

namespace {

template <typename T>
std::vector<T> values(const WeightStore& store, const std::string& name) {
  const TensorInfo* tensor = store.find(name);
  REQUIRE(tensor != nullptr);
  REQUIRE(tensor->size_bytes() % sizeof(T) == 0);
  std::vector<T> out(tensor->size_bytes() / sizeof(T));
  store.read(*tensor, 0, std::as_writable_bytes(std::span(out)));
  return out;
}

template <typename Action>
std::string kind_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  return "";
}

void write_file(const fs::path& path, const std::vector<TensorInfo>& tensors, std::span<const float> data,
                const std::map<std::string, std::string>& metadata = {}) {
  SafetensorsWriter writer(path, tensors, metadata);
  writer.write(std::as_bytes(data));
  writer.finish();
}

const std::vector<float> kSix{0.5F, -1.0F, 2.0F, 3.5F, -4.0F, 5.0F};

}  // namespace

TEST_CASE("Tensors come back as they were written, whole and in parts", "[safetensors]") {
  const TemporaryDirectory directory;
  write_file(directory / "model.safetensors",
             {{"b", DType::f32, Shape{2, 2}, ""}, {"a \"quoted\"\n", DType::f32, Shape{2}, ""}}, kSix,
             {{"format", "pt"}, {"tied", "b"}});
  const auto store = open_weights(directory.path());
  REQUIRE(store->tensors().size() == 2);
  CHECK(store->tensors()[0]->name == "a \"quoted\"\n");
  CHECK(store->find("b")->shape == Shape{2, 2});
  CHECK(store->find("c") == nullptr);
  CHECK(values<float>(*store, "b") == std::vector<float>{0.5F, -1.0F, 2.0F, 3.5F});
  CHECK(values<float>(*store, "a \"quoted\"\n") == std::vector<float>{-4.0F, 5.0F});
  std::vector<float> part(2);
  store->read(*store->find("b"), 4, std::as_writable_bytes(std::span(part)));
  CHECK(part == std::vector<float>{-1.0F, 2.0F});
  CHECK(kind_of([&] { store->read(*store->find("b"), 12, std::as_writable_bytes(std::span(part))); }) ==
        "INTERNAL");
  CHECK(store->metadata().at("format") == "pt");
  CHECK(store->aliases() == std::map<std::string, std::string>{{"tied", "b"}});
}

TEST_CASE("A writer that is not finished leaves no file", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::vector<TensorInfo> tensors{{"a", DType::f32, Shape{6}, ""}};
  {
    SafetensorsWriter writer(directory / "x.safetensors", tensors);
    CHECK(kind_of([&] { writer.finish(); }) == "INTERNAL");
  }
  CHECK(fs::is_empty(directory.path()));
  CHECK(kind_of([&] { SafetensorsWriter(directory / "y", {tensors[0], tensors[0]}); }) == "INTERNAL");
}

TEST_CASE("Shards are read as one store", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::span<const float> data(kSix);
  write_file(directory / "one.safetensors", {{"a", DType::f32, Shape{4}, ""}}, data.first(4));
  write_file(directory / "two.safetensors", {{"b", DType::f32, Shape{2}, ""}}, data.last(2));
  write_bytes(directory / "model.safetensors.index.json",
              R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const auto store = open_weights(directory.path());
  CHECK(values<float>(*store, "b") == std::vector<float>{-4.0F, 5.0F});
  CHECK(store->find("b")->file == (directory / "two.safetensors").string());
}

TEST_CASE("Shards of a Hugging Face cache are links to its blobs", "[safetensors]") {
  const TemporaryDirectory cache;
  const fs::path snapshot = cache / "snapshots" / "abc";
  fs::create_directories(snapshot);
  fs::create_directories(cache / "blobs");
  write_file(cache / "blobs" / "hash", {{"a", DType::f32, Shape{6}, ""}}, kSix);
  fs::create_symlink("../../blobs/hash", snapshot / "one.safetensors");
  write_bytes(snapshot / "model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors"}})");
  CHECK(values<float>(*open_weights(snapshot), "a") == kSix);
}

TEST_CASE("A file that changes while it is open is an error", "[safetensors]") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "model.safetensors";
  write_file(path, {{"a", DType::f32, Shape{6}, ""}}, kSix);
  const auto store = open_weights(directory.path());
  fs::resize_file(path, fs::file_size(path) - 4);
  CHECK(kind_of([&] { values<float>(*store, "a"); }) == "ST_FILE_CHANGED");
  fs::resize_file(path, fs::file_size(path) + 8);
  CHECK(kind_of([&] { values<float>(*store, "a"); }) == "ST_FILE_CHANGED");
}

TEST_CASE("Opening reads the header alone", "[safetensors]") {
  const TemporaryDirectory directory;
  const std::string header = R"({"a":{"dtype":"U8","shape":[10000000000],"data_offsets":[0,10000000000]}})";
  write_bytes(directory / "model.safetensors", safetensors_bytes(header, 0));
  fs::resize_file(directory / "model.safetensors", 8 + header.size() + 10'000'000'000);  // sparse
  const auto store = open_weights(directory.path());
  std::byte last{1};
  store->read(*store->find("a"), 9'999'999'999, {&last, 1});
  CHECK(last == std::byte{0});
}

TEST_CASE("Archives written by torch come back", "[torch]") {
  const std::string form = GENERATE("zip", "legacy");
  INFO(form);
  const auto store =
      open_torch_archive(fs::path(ATTEND_SOURCE_DIR) / "tests/goldens/torch" / (form + ".bin"));
  CHECK(store->tensors().size() == 10);
  std::vector<float> counting(24);
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<float>(i);
  CHECK(values<float>(*store, "weight") == counting);
  CHECK(values<float>(*store, "tied") == counting);
  CHECK(store->find("transposed")->shape == Shape{6, 4});
  const std::vector<float> transposed = values<float>(*store, "transposed");
  for (std::size_t row = 0; row < 6; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      CHECK(transposed[4 * row + column] == static_cast<float>(6 * column + row));
    }
  }
  std::vector<std::byte> part(6);  // from the middle of an element to the middle of another
  store->read(*store->find("transposed"), 6, part);
  CHECK(std::memcmp(part.data(), reinterpret_cast<const char*>(transposed.data()) + 6, 6) == 0);
  CHECK(values<float>(*store, "rows") == std::vector<float>(counting.begin() + 6, counting.begin() + 18));
  CHECK(values<std::uint16_t>(*store, "half") == std::vector<std::uint16_t>{0, 0x3C00, 0x4000});
  CHECK(values<std::uint16_t>(*store, "bfloat") == std::vector<std::uint16_t>{0, 0x3F80, 0x4000});
  CHECK(store->find("double")->shape == Shape{});
  CHECK(values<double>(*store, "double") == std::vector<double>{2.5});
  CHECK(values<std::int64_t>(*store, "long") == std::vector<std::int64_t>{-1, std::int64_t{1} << 40});
  CHECK(store->find("bool")->dtype == DType::boolean);
  CHECK(store->find("empty")->shape == Shape{0, 4});
  CHECK(values<float>(*store, "empty").empty());
}

TEST_CASE("Torch archives of the other byte order are turned", "[torch]") {
  const TemporaryDirectory directory;
  const std::string root =
      pickle::dict({{"a", pickle::tensor(pickle::storage("ShortStorage", "0", 2), 0, {2}, {1})}});
  write_bytes(directory / "pytorch_model.bin", zip_bytes({{"m/data.pkl", pickle::start() + root + "."},
                                                          {"m/byteorder", "big"},
                                                          {"m/data/0", {1, 2, 3, 4}}}));
  CHECK(values<std::int16_t>(*open_weights(directory.path()), "a") ==
        std::vector<std::int16_t>{0x0102, 0x0304});
}

TEST_CASE("Sharded torch archives are read as one store", "[torch]") {
  const TemporaryDirectory directory;
  for (const std::string name : {"a", "b"}) {
    const std::string root =
        pickle::dict({{name, pickle::tensor(pickle::storage("ByteStorage", "0", 2), 0, {2}, {1})}});
    write_bytes(directory / (name + ".bin"), torch_zip(root, {{"0", name + "!"}}));
  }
  write_bytes(directory / "pytorch_model.bin.index.json", R"({"weight_map":{"a":"a.bin","b":"b.bin"}})");
  CHECK(values<char>(*open_weights(directory.path()), "b") == std::vector<char>{'b', '!'});
}

TEST_CASE("A folder without weights is said to be one", "[weights]") {
  const TemporaryDirectory directory;
  CHECK(kind_of([&] { open_weights(directory / "nowhere"); }) == "MODEL_DIR_NOT_FOUND");
  write_bytes(directory / "tf_model.h5", "x");
  CHECK(kind_of([&] { open_weights(directory / "tf_model.h5"); }) == "MODEL_DIR_TYPE");
  try {
    open_weights(directory.path());
    FAIL("weights were found");
  } catch (const Error& error) {
    CHECK(error.kind() == "WEIGHTS_NOT_FOUND");
    CHECK(error.message().find("pytorch_model.bin.index.json") != std::string::npos);
    CHECK(error.message().find("tf_model.h5") != std::string::npos);
  }
  fs::create_directory(directory / "model.safetensors");
  CHECK(kind_of([&] { open_weights(directory.path()); }) == "FILE_TYPE");
}
