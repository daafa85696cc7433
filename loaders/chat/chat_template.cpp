#include "loaders/chat/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "attend/error.h"
#include "loaders/chat/ast.h"
#include "loaders/chat/budget.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/parser.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

constexpr std::size_t kMaxSourceBytes = 1U << 20U;

std::string place(const std::string& where, const jinja::Position& position) {
  return fmt::format("{}:{}:{}", where, position.line, position.column);
}

// Fills `reasoning_content` from the older names of it, and `thinking` for templates that read that, as
// transformers does before it renders.
jinja::Value with_reasoning_names(const jinja::Value& message) {
  const jinja::Dict& dict = message.dict();
  const jinja::Value* reasoning = nullptr;
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    const jinja::Value* found = dict.find(name);
    if (reasoning == nullptr && found != nullptr && !found->is_none()) reasoning = found;
  }
  if (reasoning == nullptr) return message;
  jinja::Dict result;
  result.set("thinking", *reasoning);
  for (const auto& [key, value] : dict.entries()) result.set(key, value);
  result.set("reasoning_content", *reasoning);
  return result;
}

jinja::Value prepare_messages(const jinja::Value& messages) {
  if (messages.type() != jinja::Value::Type::list) {
    throw Error("TPL_INPUT", "messages",
                fmt::format("expected a list of messages, found {}", messages.type_name()));
  }
  jinja::List prepared;
  for (const jinja::Value& message : messages.items()) {
    if (!message.is_dict()) {
      throw Error(
          "TPL_INPUT", fmt::format("messages[{}]", prepared.size()),
          fmt::format("expected a message with \"role\" and \"content\", found {}", message.type_name()));
    }
    prepared.push_back(with_reasoning_names(message));
  }
  return prepared;
}

}  // namespace

jinja::Value messages_value(std::span<const ChatMessage> messages) {
  jinja::List list;
  for (const ChatMessage& message : messages) {
    jinja::Dict dict;
    dict.set("role", message.role);
    dict.set("content", message.content);
    list.emplace_back(std::move(dict));
  }
  return list;
}

ChatTemplate ChatTemplate::parse(std::string_view source, std::string where) {
  if (source.size() > kMaxSourceBytes) {
    throw Error(
        "TPL_BUDGET", where,
        fmt::format("a template of at most {} bytes is expected, found {}", kMaxSourceBytes, source.size()));
  }
  if (const std::size_t offset = find_invalid_utf8(source); offset != std::string_view::npos) {
    throw Error("TPL_SYNTAX", where, fmt::format("the template is not UTF-8 at byte {}", offset));
  }
  try {
    auto parsed = std::make_shared<const jinja::Template>(jinja::Parser::parse(source));
    return {std::move(parsed), std::move(where)};
  } catch (const jinja::SyntaxFailure& failure) {
    throw Error("TPL_SYNTAX", place(where, failure.position), failure.message);
  }
}

std::string ChatTemplate::render(const ChatInput& input) const {
  jinja::Interpreter interpreter(*template_, input.now ? *input.now : LocalTime::now());
  try {
    jinja::Interpreter::Variables variables = input.variables;
    variables.emplace_back("messages", prepare_messages(input.messages));
    variables.emplace_back("tools", input.tools);
    variables.emplace_back("documents", input.documents);
    variables.emplace_back("add_generation_prompt", input.add_generation_prompt);
    return interpreter.render(variables);
  } catch (const jinja::RuntimeFailure& failure) {
    throw Error("TPL_RUNTIME", place(where_, interpreter.position()), failure.message);
  } catch (const jinja::BudgetExceeded& exceeded) {
    throw Error("TPL_BUDGET", place(where_, interpreter.position()), exceeded.message);
  }
}

const ChatTemplate& ChatTemplates::choose(bool with_tools, std::string_view name) const {
  auto found = templates_.end();
  if (!name.empty()) {
    found = templates_.find(std::string(name));
  } else if (found = templates_.find("tool_use"); !with_tools || found == templates_.end()) {
    found = templates_.find("default");
  }
  if (found != templates_.end()) return found->second;
  std::string known;
  for (const auto& [key, value] : templates_) known += (known.empty() ? "" : ", ") + key;
  throw usage_error("TPL_NOT_FOUND", name.empty() ? "default" : std::string(name),
                    "the checkpoint has no chat template of this name; it has: " + known);
}

std::string ChatTemplates::render(ChatInput input, std::string_view name) const {
  for (const auto& [token, value] : special_tokens_) {
    const auto same = [&name = token](const auto& variable) { return variable.first == name; };
    if (std::none_of(input.variables.begin(), input.variables.end(), same))
      input.variables.emplace_back(token, value);
  }
  return choose(!input.tools.is_none(), name).render(input);
}

std::vector<std::string> ChatTemplates::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : templates_) names.push_back(name);
  return names;
}

}  // namespace attend
