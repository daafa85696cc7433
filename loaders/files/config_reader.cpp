#include "loaders/files/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/log.h"
#include "loaders/files/config_keys.h"
#include "loaders/files/json.h"
#include "loaders/files/message_text.h"
#include "loaders/files/weights.h"

namespace attend {

struct ConfigReader::State {
  JsonDocument document;
  std::string file;  // for messages
  std::vector<Issue> issues;
  // Paths that were read or ignored, and the objects whose members must all be one or the other.
  std::set<std::string, std::less<>> known;
  std::vector<std::pair<std::string, const JsonValue*>> objects;
};

namespace {

std::string join(const std::vector<std::string>& items) {
  return fmt::format("{}", fmt::join(items, ", "));
}

std::string child_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

ConfigReader::ConfigReader(std::shared_ptr<State> state, const JsonValue& object, std::string path)
    : state_(std::move(state)), object_(&object), path_(std::move(path)) {
  state_->objects.emplace_back(path_, object_);
}

ConfigReader::ConfigReader(const std::filesystem::path& directory)
    : ConfigReader((check_model_directory(directory), from_file(directory / "config.json"))) {}

ConfigReader ConfigReader::from_file(const std::filesystem::path& file) {
  return from_document(read_json_file(file, config_json_limits()), file.string());
}

ConfigReader ConfigReader::from_text(std::string_view text, std::string where) {
  JsonDocument document = parse_json(text, config_json_limits(), where);
  return from_document(std::move(document), std::move(where));
}

ConfigReader ConfigReader::from_document(JsonDocument document, std::string where) {
  if (!document->is_object()) {
    throw Error("CFG_JSON_SYNTAX", where, "expected an object, found " + document->describe());
  }
  auto state = std::make_shared<State>();
  state->document = std::move(document);
  state->file = std::move(where);
  const JsonValue& root = state->document.root();
  return ConfigReader(std::move(state), root, "");
}

const JsonValue& ConfigReader::json() const {
  return *object_;
}
const std::vector<Issue>& ConfigReader::issues() const {
  return state_->issues;
}

std::string ConfigReader::where(std::string_view key) const {
  return fmt::format("{}: {}", state_->file, child_path(path_, key));
}

void ConfigReader::refuse(const char* kind, std::string_view key, std::string message) const {
  const std::string at = where(key);
  for (const Issue& issue : state_->issues) {
    if (issue.kind == kind && issue.where == at) return;  // a key that is read twice is reported once
  }
  state_->issues.push_back({kind, at, std::move(message)});
}

void ConfigReader::add_issues(const std::vector<Issue>& issues) const {
  state_->issues.insert(state_->issues.end(), issues.begin(), issues.end());
}

// The value of the first spelling that is there; null counts as absent.
const JsonValue* ConfigReader::lookup(const ConfigKey& key) const {
  const JsonValue* found = nullptr;
  for (const char* name : key.spellings()) {
    state_->known.insert(child_path(path_, name));
    const JsonValue* value = object_->find(name);
    if (!value || value->is_null()) continue;
    if (found && found->size() == 0 && found->describe() != value->describe()) {
      refuse("CFG_CONFLICT", name,
             fmt::format("expected the same as under its other name {}, {}; found {}", key.name(),
                         found->describe(), value->describe()));
    }
    if (!found) found = value;
  }
  return found;
}

// The name under which the file has it, for messages.
std::string ConfigReader::spelling(const ConfigKey& key) const {
  for (const char* name : key.spellings()) {
    const JsonValue* value = object_->find(name);
    if (value && !value->is_null()) return name;
  }
  return key.name();
}

const JsonValue* ConfigReader::required(const ConfigKey& key) const {
  const JsonValue* value = lookup(key);
  if (!value) {
    const bool is_null = object_->find(spelling(key)) != nullptr;
    refuse("CFG_FIELD_MISSING", key.name(),
           fmt::format("expected this key, found {}", is_null ? "null" : "none"));
  }
  return value;
}

void ConfigReader::refuse_type(const ConfigKey& key, const char* expected, const JsonValue& value) const {
  refuse("CFG_FIELD_TYPE", spelling(key), fmt::format("expected {}, found {}", expected, value.describe()));
}

bool ConfigReader::has(const ConfigKey& key) const {
  return lookup(key) != nullptr;
}

std::optional<std::int64_t> ConfigReader::checked_int(const ConfigKey& key, const JsonValue& value,
                                                      IntRange range) const {
  if (!value.is_integer()) {
    refuse_type(key, "an integer", value);
    return std::nullopt;
  }
  const std::optional<std::int64_t> number = value.to_int64();
  if (!number || *number < range.min || *number > range.max) {
    refuse(
        "CFG_FIELD_RANGE", spelling(key),
        fmt::format("expected an integer from {} to {}, found {}", range.min, range.max, value.describe()));
    return std::nullopt;
  }
  return number;
}

std::int64_t ConfigReader::required_int(const ConfigKey& key, IntRange range) const {
  const JsonValue* value = required(key);
  return value ? checked_int(key, *value, range).value_or(range.min) : range.min;
}

std::int64_t ConfigReader::optional_int(const ConfigKey& key, std::int64_t fallback, IntRange range) const {
  const JsonValue* value = lookup(key);
  return value ? checked_int(key, *value, range).value_or(fallback) : fallback;
}

std::optional<std::int64_t> ConfigReader::optional_int(const ConfigKey& key, IntRange range) const {
  const JsonValue* value = lookup(key);
  return value ? checked_int(key, *value, range) : std::nullopt;
}

std::optional<double> ConfigReader::checked_real(const ConfigKey& key, const JsonValue& value,
                                                 RealRange range) const {
  const std::optional<double> number = value.to_double();
  if (!number) {
    refuse_type(key, "a number", value);
    return std::nullopt;
  }
  if (*number < range.min || *number > range.max || (range.above_min && *number == range.min)) {
    const bool bounded = range.max < std::numeric_limits<double>::max();
    refuse("CFG_FIELD_RANGE", spelling(key),
           fmt::format("expected a number {} {}{}, found {}", range.above_min ? "above" : "from", range.min,
                       bounded ? fmt::format(" to {}", range.max) : std::string(), value.describe()));
    return std::nullopt;
  }
  return number;
}

double ConfigReader::required_real(const ConfigKey& key, RealRange range) const {
  const JsonValue* value = required(key);
  const double fallback = std::clamp(1.0, range.min, range.max);
  return value ? checked_real(key, *value, range).value_or(fallback) : fallback;
}

double ConfigReader::optional_real(const ConfigKey& key, double fallback, RealRange range) const {
  return optional_real(key, range).value_or(fallback);
}

std::optional<double> ConfigReader::optional_real(const ConfigKey& key, RealRange range) const {
  const JsonValue* value = lookup(key);
  return value ? checked_real(key, *value, range) : std::nullopt;
}

bool ConfigReader::required_bool(const ConfigKey& key) const {
  return required(key) && optional_bool(key, false);
}

bool ConfigReader::optional_bool(const ConfigKey& key, bool fallback) const {
  const JsonValue* value = lookup(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse_type(key, "true or false", *value);
  return value->to_bool().value_or(fallback);
}

std::optional<std::string> ConfigReader::optional_string(const ConfigKey& key) const {
  const JsonValue* value = lookup(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    refuse_type(key, "a string", *value);
    return std::nullopt;
  }
  return std::string(*value->to_string());
}

std::vector<std::int64_t> ConfigReader::optional_ints(const ConfigKey& key, IntRange range) const {
  const JsonValue* value = lookup(key);
  std::vector<std::int64_t> out;
  if (value && !value->is_array()) refuse_type(key, "a list of integers", *value);
  if (!value || !value->is_array()) return out;
  for (const JsonValue& element : value->elements()) {
    const std::optional<std::int64_t> number = checked_int(key, element, range);
    if (number) out.push_back(*number);
  }
  return out;
}

std::vector<std::string> ConfigReader::optional_strings(const ConfigKey& key) const {
  const JsonValue* value = lookup(key);
  std::vector<std::string> out;
  if (value && !value->is_array()) refuse_type(key, "a list of strings", *value);
  if (!value || !value->is_array()) return out;
  for (const JsonValue& element : value->elements()) {
    if (!element.is_string()) {
      refuse_type(key, "a list of strings", element);
      return {};
    }
    out.emplace_back(*element.to_string());
  }
  return out;
}

std::string ConfigReader::optional_choice(const ConfigKey& key, const std::string& fallback,
                                          const std::vector<std::string>& accepted, const char* kind) const {
  const JsonValue* value = lookup(key);
  if (!value) return fallback;
  const std::string text(value->to_string().value_or(""));
  if (value->is_string() && std::find(accepted.begin(), accepted.end(), text) != accepted.end()) return text;
  refuse(kind, spelling(key), fmt::format("expected one of {}; found {}", join(accepted), value->describe()));
  return fallback;
}

std::string ConfigReader::required_choice(const ConfigKey& key, const std::vector<std::string>& accepted,
                                          const char* kind) const {
  const std::string fallback = accepted.empty() ? std::string() : accepted.front();
  return required(key) ? optional_choice(key, fallback, accepted, kind) : fallback;
}

std::optional<std::int32_t> ConfigReader::checked_token_id(const ConfigKey& key, const JsonValue& value,
                                                           std::int64_t vocab) const {
  if (!value.is_integer()) {
    refuse_type(key, "a token id", value);
    return std::nullopt;
  }
  const std::optional<std::int64_t> id = value.to_int64();
  if (!id || *id < 0 || *id >= vocab) {
    refuse("CFG_TOKEN_ID", spelling(key),
           fmt::format("expected a token id from 0 to {}, found {}", vocab - 1, value.describe()));
    return std::nullopt;
  }
  return static_cast<std::int32_t>(*id);
}

std::optional<std::int32_t> ConfigReader::optional_token_id(const ConfigKey& key, std::int64_t vocab) const {
  const JsonValue* value = lookup(key);
  return value ? checked_token_id(key, *value, vocab) : std::nullopt;
}

std::int32_t ConfigReader::required_token_id(const ConfigKey& key, std::int64_t vocab) const {
  return required(key) ? optional_token_id(key, vocab).value_or(0) : 0;
}

std::vector<std::int32_t> ConfigReader::optional_token_ids(const ConfigKey& key, std::int64_t vocab) const {
  const JsonValue* value = lookup(key);
  std::vector<std::int32_t> out;
  if (!value) return out;
  const std::span<const JsonValue> ids = value->is_array() ? value->elements() : std::span(value, 1);
  for (const JsonValue& id : ids) {
    if (const std::optional<std::int32_t> checked = checked_token_id(key, id, vocab)) out.push_back(*checked);
  }
  return out;
}

std::optional<ConfigReader> ConfigReader::optional_object(const ConfigKey& key) const {
  const JsonValue* value = lookup(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) {
    refuse_type(key, "an object", *value);
    return std::nullopt;
  }
  return ConfigReader(state_, *value, child_path(path_, spelling(key)));
}

void ConfigReader::ignore(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) state_->known.insert(child_path(path_, key));
}

std::vector<Issue> ConfigReader::warnings() const {
  std::vector<std::string> code;
  std::vector<std::string> unknown;
  for (const auto& [path, object] : state_->objects) {
    for (const JsonMember& member : object->members()) {
      const std::string at = child_path(path, member.key);
      if (runs_code(member.key)) {
        code.push_back(at);
      } else if (!state_->known.contains(at) && !changes_nothing(member.key)) {
        unknown.push_back(member.key.size() <= 80 ? at : quote_text(member.key));
      }
    }
  }
  const auto unique = [](std::vector<std::string>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  unique(code);
  unique(unknown);
  std::vector<Issue> out;
  if (!code.empty()) {
    out.push_back({"CFG_CODE_IGNORED", state_->file,
                   fmt::format("{}: this checkpoint brings or names code of its own, which attend never runs",
                               join(code))});
  }
  if (!unknown.empty()) {
    out.push_back({"CFG_KEY_UNKNOWN", state_->file,
                   fmt::format("keys without a meaning for this model: {}", join(unknown))});
  }
  return out;
}

void ConfigReader::finish() const {
  if (!state_->issues.empty()) throw Error(state_->issues);
  log_warnings();
}

void ConfigReader::log_warnings() const {
  for (const Issue& warning : warnings()) {
    logger().warn("{}: {} [{}]", warning.where, warning.message, warning.kind);
  }
}

}  // namespace attend
