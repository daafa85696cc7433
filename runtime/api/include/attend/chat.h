// Chat templates: how a conversation becomes the prompt that a model was trained on.
#pragma once

#include <filesystem>
#include <string>

namespace attend {

struct ChatPrompt {
  std::string messages;  // JSON: [{"role": "user", "content": "Hello"}, ...]
  std::string tools;     // JSON: a list of function descriptions; empty: none
  bool add_generation_prompt = false;
  std::string now;            // the template's clock, "2024-07-26T12:34:56"; empty: the present
  std::string template_name;  // where a checkpoint has several; empty: "tool_use" with tools, else "default"
};

// The prompt that the directory's template makes of a conversation (chat_template.jinja, or `chat_template`
// of tokenizer_config.json; no other file is needed). Throws Error: TPL_NOT_FOUND when there is no template,
// TPL_SYNTAX with line and column, TPL_RUNTIME with the template's own message, TPL_BUDGET, TPL_INPUT, and
// the JSON errors of the input.
std::string render_chat(const std::filesystem::path& directory, const ChatPrompt& prompt);

}  // namespace attend
