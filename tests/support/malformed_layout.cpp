// S22 to S37: sizes, places and values of tensors.
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

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape, offsets);
}

void add(std::vector<MalformedCase>& cases, const std::string& name, const std::string& kind,
         const std::string& header, std::size_t data_bytes,
         const std::string& where = "model.safetensors: a") {
  cases.push_back(
      {name, {kind}, where, MalformedStage::weights, [header, data_bytes](const fs::path& directory) {
         write_bytes(directory / "model.safetensors", safetensors_bytes("{" + header + "}", data_bytes));
       }});
}

void add_size_cases(std::vector<MalformedCase>& cases) {
  add(cases, "S22_product_wraps", "ST_SIZE_OVERFLOW", tensor("a", "U8", "[4294967296,4294967296]", "[0,0]"),
      0);
  add(cases, "S23_bytes_wrap", "ST_SIZE_OVERFLOW", tensor("a", "F64", "[2305843009213693953]", "[0,8]"), 8);
  add(cases, "S24_zero_first", "ST_SHAPE_RANGE",
      tensor("a", "U8", "[0,9223372036854775808,9223372036854775808]", "[0,0]"), 0);
  add(cases, "S24_zero_last", "ST_SHAPE_RANGE",
      tensor("a", "U8", "[9223372036854775808,9223372036854775808,0]", "[0,0]"), 0);
  add(cases, "S25_reversed", "ST_OFFSET_ORDER", tensor("a", "U8", "[16]", "[16,0]"), 16);
  add(cases, "S25_one_offset", "ST_OFFSET_TYPE", tensor("a", "U8", "[16]", "[16]"), 16);
  add(cases, "S25_three_offsets", "ST_OFFSET_TYPE", tensor("a", "U8", "[16]", "[0,16,16]"), 16);
  add(cases, "S25_real_offsets", "ST_OFFSET_TYPE", tensor("a", "U8", "[16]", "[0,16.0]"), 16);
  add(cases, "S25_negative_offset", "ST_OFFSET_TYPE", tensor("a", "U8", "[16]", "[-16,0]"), 16);
  add(cases, "S26_end_beyond_data", "ST_OFFSET_RANGE", tensor("a", "U8", "[16]", "[1,17]"), 16);
  add(cases, "S26_begin_wraps", "ST_OFFSET_RANGE",
      tensor("a", "U8", "[16]", "[18446744073709551599,18446744073709551615]"), 16);
  add(cases, "S27_one_more", "ST_SIZE_MISMATCH", tensor("a", "F32", "[4]", "[0,17]"), 17);
  add(cases, "S27_one_less", "ST_SIZE_MISMATCH", tensor("a", "F32", "[4]", "[0,15]"), 15);
  add(cases, "S33_half_byte", "ST_SUBBYTE_ALIGN", tensor("a", "F4", "[3]", "[0,2]"), 2);
}

void add_place_cases(std::vector<MalformedCase>& cases) {
  const std::string a = tensor("a", "U8", "[8]", "[0,8]");
  add(cases, "S28_overlap", "ST_OVERLAP", a + "," + tensor("b", "U8", "[8]", "[4,12]"), 12,
      "model.safetensors: b");
  add(cases, "S28_alias", "ST_OVERLAP", a + "," + tensor("b", "U8", "[8]", "[0,8]"), 8,
      "model.safetensors: b");
  add(cases, "S29_hole_between", "ST_HOLE", a + "," + tensor("b", "U8", "[8]", "[9,17]"), 17,
      "model.safetensors: b");
  add(cases, "S29_hole_before", "ST_HOLE", tensor("a", "U8", "[8]", "[1,9]"), 9);
  add(cases, "S30_trailing_byte", "ST_TRAILING_DATA", a, 9, "model.safetensors");
  cases.push_back({"S30_trailing_zip",
                   {"ST_TRAILING_DATA"},
                   "model.safetensors",
                   MalformedStage::weights,
                   [a](const fs::path& directory) {
                     write_bytes(
                         directory / "model.safetensors",
                         safetensors_bytes("{" + a + "}", 8) + zip_bytes({{"m/data.pkl", "\x80\x02}."}}));
                   }});
  add(cases, "S31_last_byte_missing", "ST_DATA_TRUNCATED", a + "," + tensor("b", "U8", "[8]", "[8,16]"), 15,
      "model.safetensors: b");
  cases.push_back({"S32_million_tensors",
                   {"ST_TOO_MANY_TENSORS", "ST_OVERLAP"},
                   "model.safetensors",
                   MalformedStage::weights,
                   [](const fs::path& directory) {
                     constexpr int kTensors = 1'200'000;
                     std::ofstream out(directory / "model.safetensors", std::ios::binary);
                     const std::string last = tensor("t" + std::to_string(kTensors), "U8", "[16]", "[0,16]");
                     out << little_endian(2 + kTensors * (last.size() + 1) + last.size(), 8) << "{";
                     for (int i = 0; i < kTensors; ++i) {
                       out << tensor(fmt::format("t{:07}", i), "U8", "[16]", "[0,16]") << ",";
                     }
                     out << last << "}" << std::string(16, '\0');
                   }});
  add(cases, "S34_empty_name", "ST_NAME_INVALID", tensor("", "U8", "[8]", "[0,8]"), 8, "model.safetensors");
  add(cases, "S34_nul_in_name", "ST_NAME_INVALID", tensor("a\\u0000b", "U8", "[8]", "[0,8]"), 8,
      "model.safetensors");
  add(cases, "S34_long_name", "ST_NAME_INVALID", tensor(std::string(1 << 20, 'n'), "U8", "[8]", "[0,8]"), 8,
      "model.safetensors");
}

// Changes the last four bytes of the tiny model's weights: the last element of a bias.
void add_value_cases(std::vector<MalformedCase>& cases) {
  const auto add_value = [&](const std::string& name, std::uint32_t bits) {
    cases.push_back({name,
                     {"ST_NONFINITE"},
                     "model.decoder.layers.0.final_layer_norm.bias[7]",
                     MalformedStage::check_tensors,
                     [bits](const fs::path& directory) {
                       std::string bytes = read_bytes(directory / "model.safetensors");
                       bytes.replace(bytes.size() - 4, 4, little_endian(bits, 4));
                       write_bytes(directory / "model.safetensors", bytes);
                     }});
  };
  add_value("S36_nan", 0x7FC00000U);
  add_value("S36_infinity", 0xFF800000U);
  cases.push_back({"S37_odd_offset", {}, "", MalformedStage::accepted, [](const fs::path& directory) {
                     std::string header = "{" + tensor("a", "F64", "[2]", "[0,16]") + "}";
                     if (header.size() % 2 == 0) header += ' ';
                     write_bytes(directory / "model.safetensors", safetensors_bytes(header, 16));
                   }});
}

}  // namespace

void add_safetensors_layout_cases(std::vector<MalformedCase>& cases) {
  add_size_cases(cases);
  add_place_cases(cases);
  add_value_cases(cases);
}

}  // namespace attend::test::corpus
