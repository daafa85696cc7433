#include "attend/chat.h"

#include <optional>
#include <utility>

#include "attend/error.h"
#include "loaders/chat/chat_template.h"
#include "loaders/files/json.h"

namespace attend {

std::string render_chat(const std::filesystem::path& directory, const ChatPrompt& prompt) {
  const std::optional<ChatTemplates> templates = load_chat_templates(directory);
  if (!templates) {
    throw Error(
        "TPL_NOT_FOUND", directory.string(),
        "the directory has no chat template (chat_template.jinja, or tokenizer_config.json with one)");
  }
  const JsonDocument messages = parse_json(prompt.messages, request_json_limits(), "messages");
  std::optional<JsonDocument> tools;  // outlives the values made of it
  ChatInput input;
  input.messages = jinja::Value::from_json(*messages);
  if (!prompt.tools.empty()) {
    tools = parse_json(prompt.tools, request_json_limits(), "tools");
    input.tools = jinja::Value::from_json(**tools);
  }
  input.add_generation_prompt = prompt.add_generation_prompt;
  if (!prompt.now.empty()) input.now = LocalTime::parse(prompt.now);
  return templates->render(std::move(input), prompt.template_name);
}

}  // namespace attend
