#include <fmt/format.h>

#include <algorithm>

#include "attend/error.h"
#include "loaders/chat/chat_template.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"
#include "loaders/tokenizers/tokenizer_config.h"

namespace attend {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1U << 20U;

using Templates = std::map<std::string, ChatTemplate>;

void add(Templates& templates, const std::string& name, std::string_view source, const std::string& where) {
  templates.insert_or_assign(name, ChatTemplate::parse(source, where));
}

void add_file(Templates& templates, const std::string& name, const std::filesystem::path& path) {
  const File file(path);
  if (file.size_bytes() > kMaxFileBytes) {
    throw Error("TPL_BUDGET", file.name(),
                fmt::format("a template of at most {} bytes is expected, found {}", kMaxFileBytes,
                            file.size_bytes()));
  }
  add(templates, name, file.read_all(), file.name());
}

// Text, or a list of {"name", "template"}; a dict of name to template is read as well.
void add_json(Templates& templates, const JsonValue& value, const std::string& where) {
  const auto text = [&](const JsonValue* found) {
    if (found == nullptr || !found->is_string()) {
      throw Error("TPL_SYNTAX", where,
                  "expected a template's text, or a list of objects with \"name\" and \"template\"");
    }
    return *found->to_string();
  };
  if (value.is_string()) return add(templates, "default", text(&value), where);
  if (value.is_object()) {
    for (const JsonMember& member : value.members()) {
      add(templates, std::string(member.key), text(&member.value), fmt::format("{}: {}", where, member.key));
    }
    return;
  }
  if (!value.is_array()) text(nullptr);
  for (const JsonValue& element : value.elements()) {
    const std::string name(text(element.find("name")));
    add(templates, name, text(element.find("template")), fmt::format("{}: {}", where, name));
  }
}

void add_directory(Templates& templates, const std::filesystem::path& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) return;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".jinja") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add_file(templates, file.stem().string(), file);
}

}  // namespace

std::optional<ChatTemplates> load_chat_templates(const std::filesystem::path& directory) {
  Templates templates;
  if (const auto path = directory / "chat_template.jinja"; is_there(path)) {
    add_file(templates, "default", path);
  }
  add_directory(templates, directory / "additional_chat_templates");
  const TokenizerConfig config = read_tokenizer_config(directory);
  if (const JsonValue* value = config.json->find("chat_template");
      templates.empty() && value != nullptr && !value->is_null()) {
    add_json(templates, *value, (directory / "tokenizer_config.json").string() + ": chat_template");
  }
  if (const auto path = directory / "chat_template.json"; templates.empty() && is_there(path)) {
    const JsonDocument json = read_json_file(path, config_json_limits());
    if (const JsonValue* value = json->find("chat_template"))
      add_json(templates, *value, path.string() + ": chat_template");
  }
  if (templates.empty()) return std::nullopt;
  std::vector<std::pair<std::string, jinja::Value>> tokens;
  for (const auto& [name, token] : config.named_tokens) tokens.emplace_back(name, token.content);
  return ChatTemplates(std::move(templates), std::move(tokens));
}

}  // namespace attend
