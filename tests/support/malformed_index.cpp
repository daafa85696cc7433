// I01 and I02: weights in several files.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/byte_builders.h"
#include "tests/support/malformed_corpus.h"

namespace attend::test::corpus {
namespace {

namespace fs = std::filesystem;

std::string shard(const std::vector<std::string>& names) {
  std::string header = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[8],"data_offsets":[{},{}]}})", i ? "," : "",
                          names[i], 8 * i, 8 * i + 8);
  }
  return safetensors_bytes(header + "}", 8 * names.size());
}

// Shards one and two with the tensors a and b, and an index of `weight_map`.
void write_shards(const fs::path& directory, const std::string& weight_map) {
  fs::remove(directory / "model.safetensors");
  write_bytes(directory / "one.safetensors", shard({"a"}));
  write_bytes(directory / "two.safetensors", shard({"b"}));
  write_bytes(directory / "model.safetensors.index.json",
              R"({"metadata":{"total_size":16},"weight_map":)" + weight_map + "}");
}

void add(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
         const std::string& where, const std::string& weight_map,
         std::function<void(const fs::path&)> after = {}) {
  cases.push_back({name, {kind}, where, MalformedStage::weights, [=](const fs::path& directory) {
                     write_shards(directory, weight_map);
                     if (after) after(directory);
                   }});
}

}  // namespace

void add_index_cases(std::vector<MalformedCase>& cases) {
  const std::string index = "model.safetensors.index.json: weight_map.b";
  for (const auto& [name, path] :
       std::vector<std::pair<std::string, std::string>>{{"parent", "../../etc/passwd"},
                                                        {"absolute", "/etc/passwd"},
                                                        {"inner_parent", "a/../../two.safetensors"},
                                                        {"drive", "C:\\\\two.safetensors"},
                                                        {"empty", ""},
                                                        {"nul", "two.safetensors\\u0000x"}}) {
    add(cases, "I01_" + name, "IDX_PATH_ESCAPE", index,
        fmt::format(R"({{"a":"one.safetensors","b":"{}"}})", path));
  }
  add(cases, "I01_link_out", "IDX_PATH_ESCAPE", "two.safetensors",
      R"({"a":"one.safetensors","b":"two.safetensors"})", [](const fs::path& directory) {
        fs::rename(directory / "two.safetensors", directory.parent_path() / "I01_outside.safetensors");
        fs::create_symlink(directory.parent_path() / "I01_outside.safetensors",
                           directory / "two.safetensors");
      });
  add(cases, "I02_shard_missing", "IDX_SHARD_MISSING", "three.safetensors",
      R"({"a":"one.safetensors","b":"two.safetensors","c":"three.safetensors"})");
  add(cases, "I02_tensor_missing", "IDX_TENSOR_MISSING", "two.safetensors: c",
      R"({"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"})");
  add(cases, "I02_tensor_elsewhere", "IDX_TENSOR_MISSING", "two.safetensors: a",
      R"({"a":"two.safetensors","b":"two.safetensors","c":"one.safetensors"})");
  add(cases, "I02_tensor_twice", "IDX_TENSOR_DUPLICATE", "two.safetensors: a",
      R"({"a":"one.safetensors","b":"two.safetensors"})", [](const fs::path& directory) {
        write_bytes(directory / "two.safetensors", shard({"a", "b"}));
      });
  add(cases, "I02_tensor_unlisted", "IDX_TENSOR_EXTRA", "two.safetensors: c",
      R"({"a":"one.safetensors","b":"two.safetensors"})", [](const fs::path& directory) {
        write_bytes(directory / "two.safetensors", shard({"b", "c"}));
      });
  add(cases, "I02_shard_malformed", "ST_HEADER_TRUNCATED", "two.safetensors",
      R"({"a":"one.safetensors","b":"two.safetensors"})",
      [](const fs::path& directory) { write_bytes(directory / "two.safetensors", "abc"); });
  add(cases, "I02_not_a_map", "IDX_FIELD_TYPE", "weight_map", R"(["one.safetensors"])");
  add(cases, "I02_not_a_name", "IDX_FIELD_TYPE", index, R"({"a":"one.safetensors","b":2})");
  add(cases, "I02_empty_map", "IDX_FIELD_RANGE", "weight_map", "{}");
  add(cases, "I02_duplicate_key", "IDX_JSON_DUPLICATE", "model.safetensors.index.json",
      R"({"a":"one.safetensors","a":"one.safetensors"})");
}

}  // namespace attend::test::corpus
