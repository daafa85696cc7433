#include "loaders/tokenizers/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

constexpr std::size_t kMaxTokenBytes = 1024;
constexpr std::array<std::string_view, 7> kAttributes{"bos_token", "eos_token", "unk_token", "sep_token",
                                                      "pad_token", "cls_token", "mask_token"};

using Tokens = std::vector<std::pair<std::string, AddedToken>>;

Error type_error(const std::string& where, std::string_view key, std::string_view expected,
                 const JsonValue& found) {
  return Error("TOK_CONFIG_TYPE", fmt::format("{}: {}", where, key),
               fmt::format("expected {}, found {}", expected, found.describe()));
}

// One file and the errors that name it.
class ConfigFile {
 public:
  ConfigFile(const JsonValue& json, std::string where) : json_(json), where_(std::move(where)) {}

  const JsonValue& json() const { return json_; }
  const std::string& where() const { return where_; }

  // Nothing for a key that is absent or null.
  std::optional<bool> boolean(std::string_view key) const {
    const JsonValue* value = json_.find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (const auto flag = value->to_bool()) return flag;
    throw type_error(where_, key, "true or false", *value);
  }

  // A token written as text or as an object with its flags.
  AddedToken token(std::string_view key, const JsonValue& value, bool special) const {
    AddedToken token;
    token.special = special;
    if (const auto text = value.to_string()) {
      token.content = *text;
      token.normalized = !special;
    } else if (value.is_object()) {
      read_token_object(key, value, token);
    } else {
      throw type_error(where_, key, "a token: text or an object with \"content\"", value);
    }
    if (token.content.empty() || token.content.size() > kMaxTokenBytes) {
      throw Error("TOK_ADDED_TOKEN", fmt::format("{}: {}", where_, key),
                  fmt::format("a token of 1 to {} bytes is expected, found {}", kMaxTokenBytes,
                              token.content.size()));
    }
    return token;
  }

  std::int32_t id(std::string_view key, std::optional<std::int64_t> value) const {
    if (!value || *value < 0 || *value > std::numeric_limits<std::int32_t>::max() - 1) {
      throw Error("TOK_ID_RANGE", fmt::format("{}: {}", where_, key), "an id from 0 to 2^31 - 2 is expected");
    }
    return static_cast<std::int32_t>(*value);
  }

 private:
  void read_token_object(std::string_view key, const JsonValue& value, AddedToken& token) const {
    const JsonValue* content = value.find("content");
    if (content == nullptr || !content->is_string()) {
      throw type_error(where_, key, "an object with the text \"content\"", value);
    }
    token.content = *content->to_string();
    const auto flag = [&](std::string_view name, bool otherwise) {
      const JsonValue* found = value.find(name);
      if (found == nullptr) return otherwise;
      if (const auto set = found->to_bool()) return *set;
      throw type_error(where_, fmt::format("{}.{}", key, name), "true or false", *found);
    };
    token.special = flag("special", token.special) || token.special;
    token.single_word = flag("single_word", false);
    token.lstrip = flag("lstrip", false);
    token.rstrip = flag("rstrip", false);
    token.normalized = flag("normalized", !token.special);
  }

  const JsonValue& json_;
  std::string where_;
};

void set_token(Tokens& tokens, std::string_view attribute, AddedToken token) {
  const auto found =
      std::find_if(tokens.begin(), tokens.end(), [&](const auto& t) { return t.first == attribute; });
  if (found != tokens.end()) {
    found->second = std::move(token);
  } else {
    tokens.emplace_back(attribute, std::move(token));
  }
}

bool is_attribute(std::string_view key) {
  return std::find(kAttributes.begin(), kAttributes.end(), key) != kAttributes.end();
}

void read_named_tokens(const ConfigFile& file, bool special, TokenizerConfig& config) {
  for (const JsonMember& member : file.json().members()) {
    // Other keys that end so are flags (add_bos_token) or removed tokens (null).
    if (!member.key.ends_with("_token")) continue;
    if (is_attribute(member.key) ? member.value.is_null()
                                 : !(member.value.is_string() || member.value.is_object())) {
      continue;
    }
    set_token(config.named_tokens, member.key, file.token(member.key, member.value, special));
  }
}

void read_extra_tokens(const ConfigFile& file, TokenizerConfig& config) {
  for (const std::string_view key : {"extra_special_tokens", "additional_special_tokens"}) {
    const JsonValue* value = file.json().find(key);
    if (value == nullptr || value->is_null() || value->size() == 0) continue;
    if (value->is_object() && key == "extra_special_tokens") {
      for (const JsonMember& member : value->members()) {
        set_token(config.named_tokens, member.key, file.token(member.key, member.value, true));
      }
      return;
    }
    if (!value->is_array()) throw type_error(file.where(), key, "an array of tokens", *value);
    for (const JsonValue& token : value->elements()) {
      AddedToken extra = file.token(key, token, true);
      const auto same = [&](const AddedToken& known) { return known.content == extra.content; };
      auto& known = config.extra_special_tokens;
      if (std::find_if(known.begin(), known.end(), same) == known.end()) known.push_back(std::move(extra));
    }
    return;
  }
}

void read_added_tokens_decoder(const ConfigFile& file, const JsonValue& tokens, TokenizerConfig& config) {
  if (!tokens.is_object()) throw type_error(file.where(), "added_tokens_decoder", "an object", tokens);
  for (const JsonMember& member : tokens.members()) {
    const std::string key = fmt::format("added_tokens_decoder.{}", quote_text(member.key));
    std::int64_t number = -1;
    const char* end = member.key.data() + member.key.size();
    const auto parsed = std::from_chars(member.key.data(), end, number);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == end;
    const std::int32_t id = file.id(key, whole ? std::optional(number) : std::nullopt);
    if (!member.value.is_object()) throw type_error(file.where(), key, "an object", member.value);
    config.added_tokens[id] = file.token(key, member.value, false);
  }
}

void read_added_tokens_json(const ConfigFile& file, TokenizerConfig& config) {
  if (!file.json().is_object()) throw type_error(file.where(), "", "an object of token to id", file.json());
  const std::vector<std::string> special = config.all_special_tokens();
  for (const JsonMember& member : file.json().members()) {
    AddedToken token;
    token.content = member.key;
    token.special = std::find(special.begin(), special.end(), member.key) != special.end();
    token.normalized = !token.special;
    if (token.content.empty() || token.content.size() > kMaxTokenBytes) {
      throw Error("TOK_ADDED_TOKEN", file.where(),
                  fmt::format("a token of 1 to {} bytes is expected, found {}", kMaxTokenBytes,
                              token.content.size()));
    }
    config.added_tokens[file.id(quote_text(member.key), member.value.to_int64())] = std::move(token);
  }
}

void read_model_max_length(const ConfigFile& file, TokenizerConfig& config) {
  const JsonValue* value = file.json().find("model_max_length");
  if (value == nullptr) return;
  config.model_max_length = 0;
  if (value->is_null()) return;
  // Checkpoints write 1e30, or the integer nearest to it, for "no limit".
  const auto limit = value->to_double();
  if (!limit || *limit < 1) throw type_error(file.where(), "model_max_length", "a positive number", *value);
  if (*limit < std::numeric_limits<std::int32_t>::max())
    config.model_max_length = static_cast<std::int32_t>(*limit);
}

void order_named_tokens(Tokens& tokens) {
  const auto rank = [](const auto& token) {
    return std::find(kAttributes.begin(), kAttributes.end(), token.first) - kAttributes.begin();
  };
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

}  // namespace

const AddedToken* TokenizerConfig::named(std::string_view attribute) const {
  for (const auto& [name, token] : named_tokens) {
    if (name == attribute) return &token;
  }
  return nullptr;
}

void TokenizerConfig::set_default(std::string_view attribute, std::string_view content) {
  if (named(attribute) != nullptr) return;
  AddedToken token;
  token.content = content;
  token.special = true;
  token.normalized = false;
  named_tokens.emplace_back(attribute, std::move(token));
  order_named_tokens(named_tokens);
}

std::vector<std::string> TokenizerConfig::all_special_tokens() const {
  std::vector<std::string> all;
  const auto add = [&](const std::string& content) {
    if (std::find(all.begin(), all.end(), content) == all.end()) all.push_back(content);
  };
  for (const auto& [name, token] : named_tokens) add(token.content);
  for (const AddedToken& token : extra_special_tokens) add(token.content);
  return all;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const auto present = [&](const char* name) { return is_there(directory / name); };
  if (present("tokenizer_config.json")) {
    const std::filesystem::path path = directory / "tokenizer_config.json";
    config.json = read_json_file(path, tokenizer_json_limits("CFG_JSON"));
  }
  const ConfigFile file(config.json.root(), (directory / "tokenizer_config.json").string());
  if (!file.json().is_object() && present("tokenizer_config.json")) {
    throw type_error(file.where(), "", "an object", file.json());
  }
  read_named_tokens(file, true, config);
  read_extra_tokens(file, config);
  read_model_max_length(file, config);
  config.clean_up_tokenization_spaces = file.boolean("clean_up_tokenization_spaces").value_or(false);
  config.split_special_tokens = file.boolean("split_special_tokens").value_or(false);
  if (const JsonValue* names = file.json().find("model_input_names"); names != nullptr && names->is_array()) {
    config.type_ids = std::any_of(names->elements().begin(), names->elements().end(),
                                  [](const JsonValue& name) { return name.to_string() == "token_type_ids"; });
  }
  if (const JsonValue* name = file.json().find("tokenizer_class"); name != nullptr && name->is_string()) {
    config.tokenizer_class = *name->to_string();
  }
  // The two older files count only where the newer key is absent.
  if (const JsonValue* tokens = file.json().find("added_tokens_decoder")) {
    read_added_tokens_decoder(file, *tokens, config);
  } else {
    if (present("special_tokens_map.json")) {
      const JsonDocument json =
          read_json_file(directory / "special_tokens_map.json", tokenizer_json_limits("CFG_JSON"));
      const ConfigFile map(json.root(), (directory / "special_tokens_map.json").string());
      read_named_tokens(map, true, config);
      read_extra_tokens(map, config);
    }
    if (present("added_tokens.json")) {
      const JsonDocument json =
          read_json_file(directory / "added_tokens.json", tokenizer_json_limits("CFG_JSON"));
      read_added_tokens_json(ConfigFile(json.root(), (directory / "added_tokens.json").string()), config);
    }
  }
  order_named_tokens(config.named_tokens);
  return config;
}

std::string clean_up_tokenization(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kRules{{{" .", "."},
                                                                                  {" ?", "?"},
                                                                                  {" !", "!"},
                                                                                  {" ,", ","},
                                                                                  {" ' ", "'"},
                                                                                  {" n't", "n't"},
                                                                                  {" 'm", "'m"},
                                                                                  {" 's", "'s"},
                                                                                  {" 've", "'ve"},
                                                                                  {" 're", "'re"}}};
  for (const auto& [from, to] : kRules) {
    std::string result;
    std::size_t done = 0;
    for (std::size_t at = 0; (at = text.find(from, done)) != std::string::npos; done = at + from.size()) {
      result.append(text, done, at - done);
      result += to;
    }
    result.append(text, done);
    text = std::move(result);
  }
  return text;
}

}  // namespace attend
