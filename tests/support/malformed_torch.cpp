// P rows: torch archives that hold more than tensors, or less.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/byte_builders.h"
#include "tests/support/malformed_corpus.h"

namespace attend::test::corpus {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const std::string kData(16, '\x01');

std::string good_tensor(const std::string& key = "0") {
  return pickle::tensor(pickle::storage("FloatStorage", key, 4), 0, {2, 2}, {2, 1});
}

void add_bytes(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
               const std::string& bytes, const std::string& where = "pytorch_model.bin") {
  cases.push_back({name, {kind}, where, MalformedStage::weights, [bytes](const fs::path& directory) {
                     fs::remove(directory / "model.safetensors");
                     write_bytes(directory / "pytorch_model.bin", bytes);
                   }});
}

// The state dict is `root`, storage 0 holds four floats.
void add(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
         const std::string& root, const std::string& where = "pytorch_model.bin") {
  add_bytes(cases, name, kind, torch_zip(root, {{"0", kData}}), where);
}

void add_code_cases(std::vector<MalformedCase>& cases) {
  const std::string shell = pickle::global("posix", "system") + pickle::tuple({pickle::text("true")}) + "R";
  add(cases, "P01_system", "PT_GLOBAL_REFUSED", shell);
  add(cases, "P01_system_in_dict", "PT_GLOBAL_REFUSED", pickle::dict({{"a", good_tensor()}, {"b", shell}}));
  add(cases, "P01_eval", "PT_GLOBAL_REFUSED",
      pickle::global("builtins", "eval") + pickle::tuple({pickle::text("1")}) + "R");
  add(cases, "P01_load_from_bytes", "PT_GLOBAL_REFUSED", pickle::global("torch.storage", "_load_from_bytes"));
  add(cases, "P01_attribute_of_allowed", "PT_GLOBAL_REFUSED",
      pickle::global("collections", "OrderedDict.__init__"));
  add_bytes(cases, "P01_legacy", "PT_GLOBAL_REFUSED", torch_legacy(shell, {}, 4));
  add(cases, "P02_new_object", "PT_OPCODE", pickle::global("collections", "OrderedDict") + ")\x81");
  add(cases, "P02_instance", "PT_OPCODE", "(iposix\nsystem\n");
  add(cases, "P02_extension", "PT_OPCODE", "\x82\x01");
  add(cases, "P02_stack_global", "PT_OPCODE", pickle::text("posix") + pickle::text("system") + "\x93");
  add(cases, "P02_build_on_tensor", "PT_OPCODE", good_tensor() + "}b");
  add_bytes(cases, "P02_protocol_4", "PT_PICKLE", zip_bytes({{"m/data.pkl", "\x80\x04}."}}));
}

void add_machine_cases(std::vector<MalformedCase>& cases) {
  add(cases, "P03_stack_underflow", "PT_PICKLE", "R");
  add(cases, "P03_no_mark", "PT_PICKLE", "t");
  add(cases, "P03_memo_unset", "PT_PICKLE", "h\x07");
  add(cases, "P03_memo_gap", "PT_PICKLE", "Nr\xFF\xFF\xFF\x7F"s);
  add(cases, "P03_odd_dict", "PT_PICKLE", "}(" + pickle::text("a") + "u");
  add(cases, "P03_append_to_none", "PT_PICKLE", "NNa");
  add(cases, "P03_cut", "PT_PICKLE", "X\xFF\0\0\0"s);
  add(cases, "P03_long_string", "PT_LIMIT", "X\xFF\xFF\xFF\x7F"s);
  add(cases, "P03_call_of_string", "PT_PICKLE", pickle::text("a") + ")R");
  add(cases, "P03_call_of_storage", "PT_PICKLE", pickle::global("torch", "FloatStorage") + ")R");
  add(cases, "P03_many_marks", "PT_LIMIT", std::string(3U << 20U, '('));
  add(cases, "P03_many_lists", "PT_LIMIT", std::string(3U << 20U, ']'));
  std::string deep;
  for (int i = 0; i < 300'000; ++i) deep += "\x85";
  add(cases, "P03_deep_tuples", "PT_VALUE", "N" + deep);
  add(cases, "P03_cycle", "PT_VALUE", "]q\0h\0a"s);
}

void add_tensor_cases(std::vector<MalformedCase>& cases) {
  const auto add_tensor = [&](const std::string& name, const std::string& kind, std::int32_t offset,
                              const std::vector<std::int32_t>& size,
                              const std::vector<std::int32_t>& stride) {
    add(cases, name, kind,
        pickle::dict({{"a", pickle::tensor(pickle::storage("FloatStorage", "0", 4), offset, size, stride)}}));
  };
  add_tensor("P04_beyond_storage", "PT_TENSOR", 1, {2, 2}, {2, 1});
  add_tensor("P04_stride_beyond", "PT_TENSOR", 0, {2, 2}, {3, 1});
  add_tensor("P04_negative_offset", "PT_TENSOR", -1, {1}, {1});
  add_tensor("P04_negative_size", "PT_TENSOR", 0, {-1}, {1});
  add_tensor("P04_negative_stride", "PT_TENSOR", 3, {2}, {-1});
  add_tensor("P04_repeated", "PT_TENSOR", 0, {2147483647, 2147483647}, {0, 0});
  add_tensor("P04_size_wraps", "PT_TENSOR", 0, {0, 2147483647, 2147483647, 2147483647}, {1, 1, 1, 1});
  add_tensor("P04_rank_9", "PT_TENSOR", 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  add_tensor("P04_rank_differs", "PT_TENSOR", 0, {2, 2}, {1});
  const auto add_storage = [&](const std::string& name, const std::string& type, const std::string& key,
                               std::int32_t elements) {
    add(cases, name, "PT_STORAGE",
        pickle::dict({{"a", pickle::tensor(pickle::storage(type, key, elements), 0, {1}, {1})}}));
  };
  add_storage("P05_storage_missing", "FloatStorage", "7", 4);
  add_storage("P05_storage_escapes", "FloatStorage", "../data.pkl", 4);
  add_storage("P05_storage_size", "FloatStorage", "0", 5);
  add_storage("P05_storage_negative", "FloatStorage", "0", -4);
  add(cases, "P05_storage_two_types", "PT_STORAGE",
      pickle::dict({{"a", good_tensor()},
                    {"b", pickle::tensor(pickle::storage("LongStorage", "0", 2), 0, {2}, {1})}}));
  add(cases, "P05_storage_not_a_class", "PT_STORAGE",
      pickle::tuple({pickle::text("storage"), pickle::global("collections", "OrderedDict"), pickle::text("0"),
                     pickle::text("cpu"), pickle::integer(4)}) +
          "Q");
  add(cases, "P05_id_not_a_tuple", "PT_STORAGE", "NQ");
  add(cases, "P06_value_number", "PT_VALUE", pickle::dict({{"epoch", pickle::integer(3)}}),
      "pytorch_model.bin: epoch");
  add(cases, "P06_value_nested", "PT_VALUE",
      pickle::dict({{"state_dict", pickle::dict({{"a", good_tensor()}})}}), "pytorch_model.bin: state_dict");
  add(cases, "P06_root_list", "PT_VALUE", "]");
  add(cases, "P06_name_number", "PT_NAME_INVALID", "}" + pickle::integer(1) + good_tensor() + "s");
  add(cases, "P06_name_not_utf8", "PT_NAME_INVALID", pickle::dict({{"a\xFF", good_tensor()}}));
  add(cases, "P06_name_twice", "PT_DUPLICATE_KEY", pickle::dict({{"a", good_tensor()}, {"a", good_tensor()}}),
      "pytorch_model.bin: a");
}

void add_file_cases(std::vector<MalformedCase>& cases) {
  const std::string root = pickle::dict({{"a", good_tensor()}});
  const std::string zip = torch_zip(root, {{"0", kData}});
  const std::string legacy = torch_legacy(root, {{"0", kData}}, 4);
  add_bytes(cases, "P07_zip_cut", "PT_DATA_TRUNCATED", zip.substr(0, zip.size() - 30));
  add_bytes(cases, "P07_zip_compressed", "PT_COMPRESSED", zip_bytes({{"m/data.pkl", "\x80\x02}."}}, 8));
  add_bytes(cases, "P07_zip_without_pickle", "PT_NOT_TORCH", zip_bytes({{"m/readme", "x"}}));
  add_bytes(cases, "P07_zip_entry_twice", "PT_ZIP",
            zip_bytes({{"m/data.pkl", "\x80\x02}."}, {"m/data.pkl", "\x80\x02}."}}));
  add_bytes(cases, "P07_zip_program", "PT_NOT_TORCH",
            zip_bytes({{"m/data.pkl", "\x80\x02}."}, {"m/constants.pkl", "\x80\x02)."}}));
  std::string directory = zip;  // the first local header's offset
  directory.replace(zip.find("PK\x01\x02") + 42, 4, "\xF0\xFF\xFF\x7F");
  add_bytes(cases, "P07_zip_offset_beyond", "PT_ZIP", directory);
  std::string large = zip;  // both sizes of the first entry
  large.replace(zip.find("PK\x01\x02") + 20, 8, "\xFE\xFF\xFF\xFF\xFE\xFF\xFF\xFF");
  add_bytes(cases, "P07_zip_size_beyond", "PT_DATA_TRUNCATED", large);
  add_bytes(cases, "P07_byte_order", "PT_BYTE_ORDER",
            zip_bytes({{"m/data.pkl", "\x80\x02}."}, {"m/byteorder", "middle"}}));
  add_bytes(cases, "P08_legacy_cut", "PT_DATA_TRUNCATED", legacy.substr(0, legacy.size() - 1));
  add_bytes(cases, "P08_legacy_trailing", "PT_TRAILING_DATA", legacy + "x");
  add_bytes(cases, "P08_legacy_storage_unlisted", "PT_STORAGE", torch_legacy(root, {}, 4));
  add_bytes(cases, "P08_legacy_storage_unknown", "PT_STORAGE",
            torch_legacy(root, {{"0", kData}, {"1", kData}}, 4));
  add_bytes(cases, "P08_legacy_size_differs", "PT_STORAGE", torch_legacy(root, {{"0", kData + kData}}, 4));
  add_bytes(cases, "P09_lfs_pointer", "PT_GIT_LFS_POINTER", "version https://git-lfs.github.com/spec/v1\n");
  add_bytes(cases, "P09_html", "PT_NOT_TORCH", "<html></html>");
  add_bytes(cases, "P09_empty", "PT_NOT_TORCH", "");
  add_bytes(cases, "P09_other_pickle", "PT_NOT_TORCH", "\x80\x02}.");
}

}  // namespace

void add_torch_cases(std::vector<MalformedCase>& cases) {
  add_code_cases(cases);
  add_machine_cases(cases);
  add_tensor_cases(cases);
  add_file_cases(cases);
}

}  // namespace attend::test::corpus
