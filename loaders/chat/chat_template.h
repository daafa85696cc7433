// Chat templates: how a conversation becomes a prompt.
//
// The language is Jinja2 as transformers runs it: sandboxed, trim_blocks and lstrip_blocks on, loop controls
// and `generation` blocks. One rendering may take 10^6 steps, 4 MiB of text, 64 nested calls (TPL_BUDGET).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/chat/local_time.h"
#include "loaders/chat/value.h"

namespace attend {

namespace jinja {
struct Template;
}

struct ChatMessage {
  std::string role;
  std::string content;
};

struct ChatInput {
  // A list of dicts: jinja::Value::from_json() or messages_value().
  jinja::Value messages;
  // A list of JSON schemas, or none; likewise documents.
  jinja::Value tools;
  jinja::Value documents;
  bool add_generation_prompt = false;
  // Further variables (enable_thinking, date_string ...); they win over the checkpoint's special tokens.
  std::vector<std::pair<std::string, jinja::Value>> variables;
  // For strftime_now(); the present when not given.
  std::optional<LocalTime> now;
};

jinja::Value messages_value(std::span<const ChatMessage> messages);

// One parsed template. Cheap to copy; const functions may be called from several threads at once.
class ChatTemplate {
 public:
  // `where` names the source in errors. Throws TPL_SYNTAX (with line and column), TPL_BUDGET for a source of
  // more than 1 MiB.
  static ChatTemplate parse(std::string_view source, std::string where);

  // Throws TPL_RUNTIME (the message is the text of raise_exception, or what Jinja2 says), TPL_BUDGET,
  // TPL_INPUT when the messages are not a list of dicts.
  std::string render(const ChatInput& input) const;

 private:
  ChatTemplate(std::shared_ptr<const jinja::Template> parsed, std::string where)
      : template_(std::move(parsed)), where_(std::move(where)) {}

  std::shared_ptr<const jinja::Template> template_;
  std::string where_;
};

// What a checkpoint directory has: templates by name, and its special tokens as variables.
class ChatTemplates {
 public:
  ChatTemplates(std::map<std::string, ChatTemplate> templates,
                std::vector<std::pair<std::string, jinja::Value>> special_tokens)
      : templates_(std::move(templates)), special_tokens_(std::move(special_tokens)) {}

  // The template of that name; without one "tool_use" when there are tools, else "default". Throws
  // TPL_NOT_FOUND with the names there are.
  const ChatTemplate& choose(bool with_tools, std::string_view name = {}) const;
  // Chooses and renders, the special tokens (bos_token ...) among the variables.
  std::string render(ChatInput input, std::string_view name = {}) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, ChatTemplate> templates_;
  std::vector<std::pair<std::string, jinja::Value>> special_tokens_;
};

// Reads chat_template.jinja and additional_chat_templates/*.jinja, else `chat_template` of
// tokenizer_config.json (text, or a list of named templates), else chat_template.json. Nothing when there is
// none of them.
std::optional<ChatTemplates> load_chat_templates(const std::filesystem::path& directory);

}  // namespace attend
