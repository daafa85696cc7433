// Reader of config.json that collects every refusal, so that a user sees all of them at once.
//
//   ConfigReader config(directory);
//   const auto width = config.required_int("d_model", {1, 1 << 20});
//   ...
//   config.finish();  // throws one Error with everything that was wrong
//
// A getter that refuses returns a value inside the range, so that reading can go on without dividing by
// zero; nothing may be built from it before finish() returned. null counts as absent, as in transformers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"

namespace attend {

class JsonDocument;
class JsonValue;

// The spellings of one key, the current one first: {"dtype", "torch_dtype"}.
class ConfigKey {
 public:
  ConfigKey(const char* key) : spellings_{key} {}
  ConfigKey(std::initializer_list<const char*> spellings) : spellings_(spellings) {}
  const std::vector<const char*>& spellings() const { return spellings_; }
  const char* name() const { return spellings_.front(); }

 private:
  std::vector<const char*> spellings_;
};

// Bounds are inclusive.
struct IntRange {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int32_t>::max();
};
struct RealRange {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
  bool above_min = false;  // min itself is refused
};

inline constexpr IntRange kWidthRange{1, 1 << 20};
inline constexpr IntRange kLayersRange{1, 4096};
inline constexpr IntRange kVocabRange{1, 1 << 24};
inline constexpr IntRange kPositionsRange{1, 1 << 28};

struct HeadKeys {
  ConfigKey width;                         // hidden size
  ConfigKey heads;                         // query heads
  std::optional<ConfigKey> kv_heads = {};  // absent in the file: as many as heads
  std::optional<ConfigKey> head_dim = {};  // absent in the file: width / heads
};

struct HeadSizes {
  std::int64_t width = 1;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  std::int64_t head_dim = 1;
};

// Copies share what was collected; sub-readers report to the same list.
class ConfigReader {
 public:
  // Reads `directory`/config.json. Throws CFG_JSON_*, FILE_*, MODEL_DIR_*: without JSON there is nothing to
  // collect.
  explicit ConfigReader(const std::filesystem::path& directory);
  static ConfigReader from_file(const std::filesystem::path& file);
  // `where` is the name for messages.
  static ConfigReader from_text(std::string_view text, std::string where);

  // Which model: the single entry of `architectures`; empty after recording CFG_ARCH_UNSUPPORTED, whose
  // message lists `supported`. The value itself is looked up by the caller, who may refuse_architecture().
  std::string architecture(const std::vector<std::string>& supported) const;
  void refuse_architecture(std::string_view found, const std::vector<std::string>& supported) const;
  // "" when absent.
  std::string model_type() const;

  bool has(const ConfigKey& key) const;  // present and not null
  // Null when absent or null, for values that no other getter reads.
  const JsonValue* find(const ConfigKey& key) const { return lookup(key); }
  std::int64_t required_int(const ConfigKey& key, IntRange range) const;
  std::int64_t optional_int(const ConfigKey& key, std::int64_t fallback, IntRange range) const;
  std::optional<std::int64_t> optional_int(const ConfigKey& key, IntRange range) const;
  double required_real(const ConfigKey& key, RealRange range) const;
  double optional_real(const ConfigKey& key, double fallback, RealRange range) const;
  std::optional<double> optional_real(const ConfigKey& key, RealRange range) const;
  bool required_bool(const ConfigKey& key) const;
  bool optional_bool(const ConfigKey& key, bool fallback) const;
  std::optional<std::string> optional_string(const ConfigKey& key) const;
  std::vector<std::int64_t> optional_ints(const ConfigKey& key, IntRange range) const;
  std::vector<std::string> optional_strings(const ConfigKey& key) const;
  // One of a list of names; anything else is CFG_VALUE with the list. `kind` for other kinds (CFG_ROPE).
  std::string required_choice(const ConfigKey& key, const std::vector<std::string>& accepted,
                              const char* kind = "CFG_VALUE") const;
  std::string optional_choice(const ConfigKey& key, const std::string& fallback,
                              const std::vector<std::string>& accepted, const char* kind = "CFG_VALUE") const;
  // A token id in [0, vocab) (CFG_TOKEN_ID).
  std::optional<std::int32_t> optional_token_id(const ConfigKey& key, std::int64_t vocab) const;
  std::int32_t required_token_id(const ConfigKey& key, std::int64_t vocab) const;
  // One id or a list of them.
  std::vector<std::int32_t> optional_token_ids(const ConfigKey& key, std::int64_t vocab) const;
  // Sizes of multi-head attention: heads divide the width (unless head_dim is given) and kv_heads the heads
  // (CFG_HEADS).
  HeadSizes head_sizes(const HeadKeys& keys) const;
  // A nested object such as rope_parameters; nothing when absent.
  std::optional<ConfigReader> optional_object(const ConfigKey& key) const;
  // {"0": "NEGATIVE", "1": "POSITIVE"}: names by index, without gaps.
  std::vector<std::string> optional_labels(const ConfigKey& key) const;

  // Keys whose other values are not supported: absent, null and `value` are fine, the rest is CFG_VALUE.
  void refuse_unless(const ConfigKey& key, bool value) const;
  void refuse_unless(const ConfigKey& key, std::int64_t value) const;
  void refuse_unless(const ConfigKey& key, const char* value) const;
  // Keys that change nothing here, beyond those that change nothing in any model.
  void ignore(std::initializer_list<const char*> keys) const;

  // For the caller's own findings. `key` is relative to this reader.
  void refuse(const char* kind, std::string_view key, std::string message) const;
  // Takes over what was found in another file, so that it is reported with the rest.
  void add_issues(const std::vector<Issue>& issues) const;
  // "config.json: rope_parameters.factor"
  std::string where(std::string_view key) const;

  const JsonValue& json() const;
  const std::vector<Issue>& issues() const;
  // Findings that do not stop loading: CFG_CODE_IGNORED (auto_map and the like are never acted on), and
  // CFG_KEY_UNKNOWN (neither read nor known to change nothing), one each for all keys.
  std::vector<Issue> warnings() const;
  // Throws all refusals as one Error; otherwise logs the warnings.
  void finish() const;
  void log_warnings() const;

 private:
  struct State;
  static ConfigReader from_document(JsonDocument document, std::string where);
  ConfigReader(std::shared_ptr<State> state, const JsonValue& object, std::string path);

  const JsonValue* lookup(const ConfigKey& key) const;
  const JsonValue* required(const ConfigKey& key) const;
  std::string spelling(const ConfigKey& key) const;
  std::optional<std::int64_t> checked_int(const ConfigKey& key, const JsonValue& value, IntRange range) const;
  std::optional<double> checked_real(const ConfigKey& key, const JsonValue& value, RealRange range) const;
  std::optional<std::int32_t> checked_token_id(const ConfigKey& key, const JsonValue& value,
                                               std::int64_t vocab) const;
  void refuse_type(const ConfigKey& key, const char* expected, const JsonValue& value) const;

  std::shared_ptr<State> state_;
  const JsonValue* object_;
  std::string path_;  // of this object inside the file; empty at the root
};

}  // namespace attend
