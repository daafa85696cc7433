// S01 to S21: the header of a safetensors file and its entries.
#include <fmt/format.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/byte_builders.h"
#include "tests/support/malformed_corpus.h"

namespace attend::test::corpus {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

// The weights are replaced by these bytes.
void add(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
         std::string bytes, const std::string& where = "model.safetensors") {
  cases.push_back(
      {name, {kind}, where, MalformedStage::weights, [bytes = std::move(bytes)](const fs::path& directory) {
         write_bytes(directory / "model.safetensors", bytes);
       }});
}

// ... by a file with this header and `data_bytes` bytes of data.
void add_header(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
                const std::string& header, std::size_t data_bytes = 16,
                const std::string& where = "model.safetensors") {
  add(cases, name, kind, safetensors_bytes(header, data_bytes), where);
}

std::string entry(const std::string& name, const std::string& fields) {
  return "{\"" + name + "\":{" + fields + "}}";
}

const std::string kGood = R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";

void add_length_cases(std::vector<MalformedCase>& cases) {
  add(cases, "S01_empty_file", "ST_HEADER_TRUNCATED", "");
  add(cases, "S02_seven_bytes", "ST_HEADER_TRUNCATED", "\x02\0\0\0\0\0\0"s);
  add(cases, "S03_no_header", "ST_HEADER_EMPTY", std::string(8, '\0'));
  add(cases, "S04_length_wraps", "ST_HEADER_TOO_LARGE", std::string(8, '\xFF') + "{}");
  cases.push_back({"S05_length_above_cap",
                   {"ST_HEADER_TOO_LARGE"},
                   "model.safetensors",
                   MalformedStage::weights,
                   [](const fs::path& directory) {
                     write_bytes(directory / "model.safetensors", little_endian(100'000'001, 8) + "{");
                     fs::resize_file(directory / "model.safetensors", 200'000'000);  // sparse
                   }});
  std::string cut = safetensors_bytes(kGood, 16);
  cut.replace(0, 8, little_endian(cut.size() - 7, 8));
  add(cases, "S06_length_beyond_file", "ST_HEADER_TRUNCATED", cut);
  add(cases, "S07_lfs_pointer", "ST_GIT_LFS_POINTER",
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 123\n");
  add(cases, "S07_html", "ST_NOT_SAFETENSORS", "<!DOCTYPE html>\n<html><body>404</body></html>");
  add(cases, "S07_zip", "ST_NOT_SAFETENSORS", zip_bytes({{"m/data.pkl", "\x80\x02}."}}));
  add(cases, "S07_pickle", "ST_NOT_SAFETENSORS", "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9 j\xA8P\x19."s);
}

void add_text_cases(std::vector<MalformedCase>& cases) {
  add_header(cases, "S08_leading_whitespace", "ST_HEADER_NOT_OBJECT", "\t\n{}\r ", 0);
  add_header(cases, "S09_nul_after", "ST_HEADER_TRAILING", "{}\0"s, 0);
  add_header(cases, "S09_two_objects", "ST_HEADER_TRAILING", "{}{}", 0);
  add_header(cases, "S09_text_after", "ST_HEADER_TRAILING", "{} x", 0);
  add_header(cases, "S09_newline_after", "ST_HEADER_TRAILING", kGood + "\n");
  add_header(cases, "S10_invalid_byte", "ST_HEADER_UTF8", entry("a\xFF", ""));
  add_header(cases, "S10_overlong", "ST_HEADER_UTF8", entry("\xC0\x80", ""));
  add_header(cases, "S10_lone_surrogate", "ST_HEADER_UTF8", entry("\\ud800", ""));
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"array", "[]"},
                                                        {"string", "\"x\""},
                                                        {"cut", "{\"a\":"},
                                                        {"nan", "NaN"},
                                                        {"comment", "{/* */}"},
                                                        {"trailing_comma", "{\"__metadata__\":{},}"},
                                                        {"nan_inside", "{\"a\":NaN}"}}) {
    add_header(cases, "S11_" + name, "ST_HEADER_JSON", text, 0);
  }
  add_header(cases, "S12_deep", "ST_HEADER_DEPTH", "{\"a\":" + std::string(1'000'000, '['), 0);
  add_header(
      cases, "S13_duplicate_other_offsets", "ST_DUPLICATE_KEY",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})");
  add_header(
      cases, "S14_duplicate_identical", "ST_DUPLICATE_KEY",
      R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})");
  add_header(
      cases, "S15_duplicate_escaped", "ST_DUPLICATE_KEY",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})");
  add_header(cases, "S15_duplicate_field", "ST_DUPLICATE_KEY",
             entry("a", R"("dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16])"));
  add_header(cases, "S15_duplicate_metadata", "ST_DUPLICATE_KEY", R"({"__metadata__":{},"__metadata__":{}})",
             0);
}

void add_entry_cases(std::vector<MalformedCase>& cases) {
  const std::string where = "model.safetensors: a";
  const auto add_entry = [&](const std::string& name, const std::string& kind, const std::string& fields) {
    add_header(cases, name, kind, entry("a", fields), 16, where);
  };
  add_entry("S16_unknown_field", "ST_UNKNOWN_FIELD",
            R"("dtype":"F32","shape":[4],"data_offsets":[0,16],"strides":[1])");
  add_entry("S17_no_dtype", "ST_MISSING_FIELD", R"("shape":[4],"data_offsets":[0,16])");
  add_entry("S17_no_shape", "ST_MISSING_FIELD", R"("dtype":"F32","data_offsets":[0,16])");
  add_entry("S17_no_offsets", "ST_MISSING_FIELD", R"("dtype":"F32","shape":[4])");
  add_header(cases, "S17_entry_array", "ST_ENTRY_TYPE", R"({"a":[]})", 0, where);
  add_header(cases, "S17_entry_null", "ST_ENTRY_TYPE", R"({"a":null})", 0, where);
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"number", "1"}, {"null", "null"}, {"object", "{}"}}) {
    add_header(cases, "S18_metadata_" + name, "ST_METADATA_TYPE", R"({"__metadata__":{"k":)" + text + "}}", 0,
               "model.safetensors: __metadata__");
  }
  add_header(cases, "S18_metadata_string", "ST_METADATA_TYPE", R"({"__metadata__":"x"})", 0);
  const auto add_dtype = [&](const std::string& name, const std::string& kind, const std::string& dtype,
                             const std::string& shape) {
    add_entry(name, kind, fmt::format(R"("dtype":{},"shape":{},"data_offsets":[0,16])", dtype, shape));
  };
  add_dtype("S19_dtype_f128", "ST_DTYPE_UNKNOWN", "\"F128\"", "[1]");
  add_dtype("S19_dtype_float32", "ST_DTYPE_UNKNOWN", "\"float32\"", "[4]");
  add_dtype("S19_dtype_number", "ST_DTYPE_UNKNOWN", "5", "[4]");
  add_dtype("S19_dtype_c64", "ST_DTYPE_UNSUPPORTED", "\"C64\"", "[2]");
  add_dtype("S19_dtype_f4", "ST_DTYPE_UNSUPPORTED", "\"F4\"", "[32]");
  add_dtype("S20_shape_negative", "ST_SHAPE_RANGE", "\"F32\"", "[-1]");
  add_dtype("S20_shape_real", "ST_SHAPE_TYPE", "\"F32\"", "[2.0]");
  add_dtype("S20_shape_exponent", "ST_SHAPE_TYPE", "\"F32\"", "[1e3]");
  add_dtype("S20_shape_string", "ST_SHAPE_TYPE", "\"F32\"", "[\"2\"]");
  add_dtype("S20_shape_above_64_bits", "ST_SHAPE_RANGE", "\"F32\"", "[18446744073709551616]");
  add_dtype("S20_shape_object", "ST_SHAPE_TYPE", "\"F32\"", "{}");
  add_dtype("S21_rank_9", "ST_RANK", "\"F32\"", "[1,1,1,1,1,1,1,1,4]");
  std::string ones = "[1";
  for (int i = 1; i < 1'000'000; ++i) ones += ",1";
  add_dtype("S21_rank_million", "ST_RANK", "\"F32\"", ones + "]");
}

}  // namespace

void add_safetensors_cases(std::vector<MalformedCase>& cases) {
  add_length_cases(cases);
  add_text_cases(cases);
  add_entry_cases(cases);
}

}  // namespace attend::test::corpus
