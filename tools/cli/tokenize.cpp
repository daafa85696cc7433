// attend tokenize: token ids, tokens and offsets of texts, and texts of ids.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "attend/chat.h"
#include "attend/tokenizer.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/inputs.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"

namespace attend::cli {
namespace {

Options make_options() {
  Options options(
      "tokenize MODEL [TEXT...]",
      "Token ids of each text (arguments, lines of --file or of standard input), with the tokens and\n"
      "their [start, end) in code points. MODEL may hold tokenizer files alone.",
      {"attend tokenize opus-mt-en-de \"Where is the station?\"",
       "attend tokenize bert-base \"Where is it?\" --pair \"Over there.\" --json",
       "attend tokenize opus-mt-en-de --decode 5,6,7",
       "attend tokenize llama-3 --chat messages.json --add-generation-prompt"});
  options.add_group("Input",
                    {{"file", OptionKind::value, "F", "texts from a file, one a line"},
                     {"pair", OptionKind::value, "TEXT", "the second text of a pair, the same for each text"},
                     {"no-special-tokens", OptionKind::flag, "", "without [CLS], </s> and the like"},
                     {"decode", OptionKind::list, "5,6,7", "the text of these ids; may be repeated"}});
  options.add_group("Chat template",
                    {{"chat", OptionKind::value, "F", "the prompt for the messages of this JSON file"},
                     {"tools", OptionKind::value, "F", "a JSON file with the tools they may call"},
                     {"add-generation-prompt", OptionKind::flag, "", "end where the answer begins"},
                     {"now", OptionKind::value, "TIME", "the clock, such as 2024-07-26T12:34:56"}});
  options.add_group("Output", {{"json", OptionKind::flag, "",
                                "one JSON object a line: ids, tokens, offsets; text; prompt"}});
  options.add_group("Other", log_options());
  return options;
}

// The fields of an encoding, as text: as a JSON value a megabyte's tokens take longer than to tokenize it.
std::string encoding_fields(const Encoding& encoding, bool pair) {
  std::string line;
  line.reserve(encoding.ids.size() * 40);
  const auto list = [&](std::string_view name, const auto& values, auto&& append) {
    line.append(line.empty() ? "\"" : ",\"").append(name).append("\":[");
    for (const auto& value : values) {
      if (line.back() != '[') line += ',';
      append(value);
    }
    line += ']';
  };
  const auto number = [&](std::int32_t value) { line += fmt::format_int(value).c_str(); };
  list("ids", encoding.ids, number);
  list("tokens", encoding.tokens, [&](const std::string& token) { append_json(line, token); });
  if (!encoding.offsets.empty() || encoding.ids.empty()) {
    list("offsets", encoding.offsets, [&](const std::pair<std::int32_t, std::int32_t>& offset) {
      line += '[';
      number(offset.first);
      line += ',';
      number(offset.second);
      line += ']';
    });
  }
  if (pair) list("type_ids", encoding.type_ids, number);
  return line;
}

void write_table(const Encoding& encoding) {
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    std::string line =
        fmt::format("{:>8}  {}", encoding.ids[i], i < encoding.tokens.size() ? encoding.tokens[i] : "");
    if (i < encoding.offsets.size()) {
      line += fmt::format("  [{}, {})", encoding.offsets[i].first, encoding.offsets[i].second);
    }
    write_line(line);
  }
}

class Tokenize {
 public:
  Tokenize(const Options& options, const Tokenizer& tokenizer)
      : tokenizer_(tokenizer), json_(options.flag("json")) {
    encode_.add_special_tokens = !options.flag("no-special-tokens");
    encode_.pair = options.text("pair");
  }

  void encode(std::size_t index, const InputItem& item) {
    answer(index, [&] {
      if (item.error) throw *item.error;
      const Encoding encoding = tokenizer_.encode(item.input.text, encode_);
      if (json_) {
        write_line("{" + encoding_fields(encoding, encode_.pair.has_value()) + "}");
      } else {
        if (index > 0) write_line("");
        write_table(encoding);
      }
    });
  }

  void decode(std::size_t index, const std::vector<std::int32_t>& ids) {
    answer(index, [&] {
      const std::string text = tokenizer_.decode(ids);
      json_ ? write_json({{"ids", ids}, {"text", text}}) : write_line(text);
    });
  }

  int exit_code() const { return exit_code_; }

 private:
  // Runs one input; its error stands in the place of its answer.
  template <class Work>
  void answer(std::size_t index, Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      exit_code_ = std::max(exit_code_, cli::exit_code(error));
      if (json_) {
        write_json(error_json(error));
      } else {
        print_input_error(index, error);
      }
    }
  }

  const Tokenizer& tokenizer_;
  bool json_;
  EncodeOptions encode_;
  int exit_code_ = kExitDone;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    throw Error("INPUT_FILE", path, "this file cannot be read, or it is empty");
  }
  return text.str();
}

// The prompt, and its ids where the directory has a tokenizer.
int run_chat(const Options& options, const std::string& directory) {
  ChatPrompt chat;
  chat.messages = read_file(*options.text("chat"));
  if (const auto tools = options.text("tools")) chat.tools = read_file(*tools);
  chat.add_generation_prompt = options.flag("add-generation-prompt");
  chat.now = options.text("now").value_or("");
  const std::string prompt = render_chat(directory, chat);
  if (!options.flag("json")) {
    write_line(prompt);
    return kExitDone;
  }
  std::string line = "{\"prompt\":";
  append_json(line, prompt);
  EncodeOptions encode;
  encode.add_special_tokens = false;  // the template writes them itself
  try {
    line += "," + encoding_fields(open_tokenizer(directory)->encode(prompt, encode), false);
  } catch (const Error& error) {
    if (error.kind() != "TOKENIZER_MISSING") throw;
  }
  write_line(line + "}");
  return kExitDone;
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  const std::string directory = model_argument(options);
  if (options.has("chat")) return run_chat(options, directory);
  for (const char* name : {"tools", "add-generation-prompt", "now"}) {
    if (options.has(name))
      throw usage_error("OPTION_VALUE", std::string("--") + name, "belongs to --chat MESSAGES.json");
  }
  std::vector<std::vector<std::int32_t>> to_decode;
  for (const std::string& ids : options.list("decode")) to_decode.push_back(parse_ids("decode", ids));

  const std::shared_ptr<const Tokenizer> tokenizer = open_tokenizer(directory);
  Tokenize tokenize(options, *tokenizer);
  for (std::size_t i = 0; i < to_decode.size(); ++i) tokenize.decode(i, to_decode[i]);
  if (!to_decode.empty() && options.positional().size() == 1 && !options.has("file"))
    return tokenize.exit_code();

  InputSource inputs(options, 1);
  for (std::size_t i = 0; std::optional<InputItem> item = inputs.next(); ++i) tokenize.encode(i, *item);
  return tokenize.exit_code();
}

}  // namespace

const Command kTokenizeCommand = {"tokenize", "ids, tokens and offsets of a text, or the text of ids", run};

}  // namespace attend::cli
