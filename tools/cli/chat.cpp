// attend chat: a conversation in the terminal, or in a pipe, with the checkpoint's chat template.
#include "attend/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "attend/tokenizer.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/generation_options.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/line_reader.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"

namespace attend::cli {
namespace {

constexpr std::int64_t kAnswerTokens = 1024;  // where neither the checkpoint nor the call has a limit

Options make_options() {
  Options options(
      "chat MODEL",
      "A conversation: one message a line, the answer streams. /system TEXT sets the system message,\n"
      "/reset begins anew, /help tells the commands, /exit or Ctrl-D ends. Ctrl-C stops the answer.",
      {"attend chat llama-3-instruct",
       "attend chat llama-3-instruct --system \"Answer in one line.\" --temperature 0.7 --do-sample",
       "echo \"What is a relative clause?\" | attend chat llama-3-instruct"});
  options.add_group("Conversation", {{"system", OptionKind::value, "TEXT", "the system message"}});
  options.add_group("Generation (defaults: the checkpoint's generation_config.json)", generation_options());
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

// Pieces of text on their way from the scheduler's thread, which must not wait for a slow terminal.
class Stream {
 public:
  void push(const std::string& piece) {
    const std::scoped_lock lock(mutex_);
    waiting_ += piece;
    changed_.notify_all();
  }
  void finish() {
    const std::scoped_lock lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }
  // The text that came since the last call; nothing once all of it was given out.
  std::optional<std::string> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_ || !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  bool finished_ = false;
};

class Conversation {
 public:
  Conversation(const Model& model, std::string directory, GenerationConfig generation, bool limited)
      : model_(model),
        directory_(std::move(directory)),
        generation_(std::move(generation)),
        limited_(limited) {}

  void set_system(const std::string& text) {
    system_ = text;
    reset();
  }

  void reset() {
    messages_ = nlohmann::ordered_json::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }

  // Streams the answer to standard output. Throws Error; the message is then not part of the conversation.
  void say(const std::string& message) {
    nlohmann::ordered_json messages = messages_;
    messages.push_back({{"role", "user"}, {"content", message}});
    Request request = make_request(messages);
    Stream stream;
    request.on_token = [&stream](const TokenEvent& event) { stream.push(event.text); };
    Ticket ticket = model_.submit(std::move(request), [&stream](const Result&) { stream.finish(); });
    std::string answer;
    {
      const InterruptScope interrupt([&] { ticket.cancel(); });
      try {
        while (const std::optional<std::string> piece = stream.next()) {
          write_text(*piece);
          answer += *piece;
        }
      } catch (...) {  // nobody reads the answer any more
        ticket.cancel();
        ticket.wait();
        throw;
      }
    }
    const Result result = ticket.wait();
    if (result.error && result.error->category() != ErrorCategory::cancelled) {
      if (!answer.empty()) write_text("\n");
      throw *result.error;
    }
    if (!result.error && result.text().starts_with(answer)) {  // beams come at the end, all at once
      write_text(result.text().substr(answer.size()));
      answer = result.text();
    }
    write_text("\n");
    messages.push_back({{"role", "assistant"}, {"content", answer}});
    messages_ = std::move(messages);
  }

 private:
  Request make_request(const nlohmann::ordered_json& messages) const {
    ChatPrompt chat;
    chat.messages = messages.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::strict);
    chat.add_generation_prompt = true;
    EncodeOptions encode;
    encode.add_special_tokens = false;  // the template writes them itself
    Request request;
    request.input.ids = model_.tokenizer()->encode(render_chat(directory_, chat), encode).ids;
    request.generation = generation_;
    const auto prompt = static_cast<std::int64_t>(request.input.ids->size());
    const std::int64_t context = model_.info().max_input_tokens;
    if (context > 0 && prompt >= context) {
      throw Error(
          "CHAT_TOO_LONG", "conversation",
          fmt::format("with this message it has {} tokens, and the model takes {} with the answer: say "
                      "less, or begin anew with /reset",
                      prompt, context));
    }
    if (!limited_) {
      const std::int64_t room = context > 0 ? context - prompt : kAnswerTokens;
      request.generation->max_new_tokens = static_cast<std::int32_t>(std::min(room, kAnswerTokens));
    }
    return request;
  }

  const Model& model_;
  std::string directory_;
  GenerationConfig generation_;
  bool limited_;
  std::string system_;
  nlohmann::ordered_json messages_ = nlohmann::ordered_json::array();
};

enum class Line : std::uint8_t { message, command, end };

// Answers a line that is a command. A word after a slash that is none of them is a mistyped one; what only
// looks like one (a path, a regular expression) is a message.
Line run_command(const std::string& line, Conversation& conversation) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string command = line.substr(0, end);
  if (command == "/exit" || command == "/quit") return Line::end;
  if (command == "/reset") {
    conversation.reset();
  } else if (command == "/system") {
    conversation.set_system(line.substr(std::min(end + 1, line.size())));
  } else if (command == "/help") {
    std::fputs(
        "/system TEXT  sets the system message and begins anew; without TEXT there is none\n"
        "/reset        begins anew\n/exit         ends, as Ctrl-D does\nCtrl-C stops the answer.\n",
        stderr);
  } else if (command.size() > 1 && command.front() == '/' &&
             std::ranges::all_of(command.substr(1), [](char c) { return c >= 'a' && c <= 'z'; })) {
    print_error(usage_error("CHAT_COMMAND", command, "no such command; /help tells those there are"));
  } else {
    return Line::message;
  }
  return Line::command;
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  const std::string directory = model_argument(options);
  apply_generation_options(options, {});
  const Model model = load_model(options, load_options(options));
  if (std::ranges::find(model.info().tasks, "text-generation") == model.info().tasks.end()) {
    throw usage_error("TASK", directory,
                      fmt::format("{} does not converse; it can do {}", model.info().architecture,
                                  fmt::join(model.info().tasks, ", ")));
  }
  if (model.tokenizer() == nullptr)
    throw Error("TOKENIZER_MISSING", directory, "a conversation needs a tokenizer");
  const GenerationConfig generation = apply_generation_options(options, model.generation());
  const bool limited = generation.max_new_tokens.has_value() || options.has("max-length") ||
                       generation.max_length != GenerationConfig().max_length;
  Conversation conversation(model, directory, generation, limited);
  conversation.set_system(options.text("system").value_or(""));

  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  LineReader lines(STDIN_FILENO, "standard input");
  int code = kExitDone;
  for (;;) {
    if (terminal) std::fputs("> ", stderr);
    const std::optional<std::string> line = lines.next();
    if (!line) break;
    const Line kind = line->empty() ? Line::command : run_command(*line, conversation);
    if (kind == Line::end) break;
    if (kind == Line::command) continue;
    try {
      conversation.say(*line);
    } catch (const nlohmann::json::exception&) {
      code = kExitData;
      print_error(Error("INVALID_UTF8", "message", "the message is not valid UTF-8"));
    } catch (const Error& error) {
      code = exit_code(error);
      print_error(error);
    }
  }
  if (terminal) std::fputs("\n", stderr);  // after Ctrl-D
  return code;
}

}  // namespace

const Command kChatCommand = {"chat", "a conversation with the checkpoint's chat template", run, true};

}  // namespace attend::cli
