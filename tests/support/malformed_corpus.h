// The corpus of malformed checkpoints: one directory a case, each a tiny Marian model with one thing wrong.
//
// The rows are named after the table of the project's contract (S safetensors, I index, C config); P rows
// are torch archives. Nothing here uses the loaders, and `attend_malformed_corpus DIR` writes all of it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace attend::test {

// The step that has to notice.
enum class MalformedStage {
  weights,        // open_weights
  check_tensors,  // check_finite after open_weights; loading without it succeeds
  config,         // reading config.json, as a Marian definition does
  rope,           // reading rope settings: of no consequence for Marian
  model,          // building the model from both
  accepted,       // nothing is wrong: a trap for readers that are too strict, or not careful
};

struct MalformedCase {
  std::string name;                // "S08_leading_whitespace"; also the directory's
  std::vector<std::string> kinds;  // any of these
  std::string where;               // part of the error's `where`: a file, key or tensor
  MalformedStage stage = MalformedStage::weights;
  std::function<void(const std::filesystem::path&)> spoil;  // changes a valid model's directory
};

const std::vector<MalformedCase>& malformed_corpus();

// A complete model without tokenizer: config.json, generation_config.json, model.safetensors. One encoder
// and one decoder layer, width 8, 2 heads, feed-forward 16, vocabulary 16 (pad 15, end 0), 32 positions.
void write_tiny_marian(const std::filesystem::path& directory);
// Its config.json with `key` set to the JSON text `value` (appended when new); without it when empty.
std::string tiny_marian_config(const std::string& key = "", const std::string& value = "");

// Writes one case under `root` and returns its directory. Some are large but sparse.
std::filesystem::path write_case(const MalformedCase& malformed, const std::filesystem::path& root);

namespace corpus {
void add_safetensors_cases(std::vector<MalformedCase>& cases);
void add_safetensors_layout_cases(std::vector<MalformedCase>& cases);
void add_index_cases(std::vector<MalformedCase>& cases);
void add_torch_cases(std::vector<MalformedCase>& cases);
void add_config_cases(std::vector<MalformedCase>& cases);
}  // namespace corpus

}  // namespace attend::test
