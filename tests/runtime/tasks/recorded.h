// Recorded pipelines: a tokenizer that answers what it was recorded to answer, and the cases that need it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attend/tokenizer.h"
#include "runtime/tasks/task.h"

namespace attend::test {

// Fails the test (throws) on a question that was not recorded.
class RecordedTokenizer : public Tokenizer {
 public:
  explicit RecordedTokenizer(const nlohmann::json& recorded);

  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const override;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const override;
  std::optional<std::int32_t> token_to_id(std::string_view token) const override;
  std::optional<std::string> id_to_token(std::int32_t id) const override;
  std::int32_t vocab_size() const override { return static_cast<std::int32_t>(vocab_.size()); }
  bool is_special(std::int32_t id) const override { return special_ids_.count(id) > 0; }
  SpecialTokenIds special_token_ids() const override { return special_; }
  std::string continuing_subword_prefix() const override { return prefix_; }
  std::string convert_tokens_to_string(std::span<const std::string> tokens) const override;
  std::optional<std::int32_t> model_max_length() const override { return max_length_; }

 private:
  std::map<std::string, Encoding> encodings_;
  std::map<std::string, std::string> decoded_, joined_;
  std::vector<std::string> vocab_;
  std::map<std::string, std::int32_t, std::less<>> ids_;
  std::set<std::int32_t> special_ids_;
  SpecialTokenIds special_;
  std::string prefix_;
  std::int32_t max_length_ = 0;
};

struct RecordedCase {
  std::string name, task;
  std::shared_ptr<RecordedTokenizer> tokenizer;
  TaskConfig config;
  TaskOptions options;
  TaskInput input;
  std::vector<ModelInput> sequences;  // what the pipeline gave its model
  std::vector<ModelOutputs> outputs;  // what that computed
  nlohmann::json expected;
};

// The cases of tests/goldens/tasks/NAME.json.
std::vector<RecordedCase> recorded_cases(const std::string& name);

// {"top_k": 3, ...} by the names of the pipelines' arguments; an unknown one throws.
TaskOptions options_of(const nlohmann::json& json);
// {"text", "pair", "candidates"}
TaskInput input_of(const nlohmann::json& json);

// Where they differ: same fields in the same order, strings and integers exact, fractions within `tolerance`.
// Empty when they agree.
std::string difference(const TaskValue& value, const nlohmann::json& expected, double tolerance = 1e-4);

}  // namespace attend::test
