#include "tools/cli/inputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace attend::cli {

std::vector<OptionSpec> input_options() {
  return {
      {"file", OptionKind::value, "F", "inputs from a file, one a line"},
      {"input-ids", OptionKind::list, "5,6,7", "exactly these token ids, nothing added; may be repeated"},
      {"token-type-ids", OptionKind::list, "0,0,1", "their types, one list for each --input-ids"},
  };
}

InputSource::InputSource(const Options& options, std::size_t first_text,
                         const std::vector<std::string>& more) {
  std::vector<std::string> words = options.positional();
  words.insert(words.end(), more.begin(), more.end());
  for (std::size_t i = first_text; i < words.size(); ++i) {
    InputItem item;
    item.input.text = words[i];
    ready_.push_back(std::move(item));
  }
  const std::vector<std::string> types = options.list("token-type-ids");
  const std::vector<std::string> ids = options.list("input-ids");
  if (!types.empty() && types.size() != ids.size()) {
    throw usage_error(
        "OPTION_VALUE", "--token-type-ids",
        fmt::format("expected one list for each of the {} --input-ids, found {}", ids.size(), types.size()));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    InputItem item;
    item.input.ids = parse_ids("input-ids", ids[i]);
    if (!types.empty()) item.input.type_ids = parse_ids("token-type-ids", types[i]);
    if (!types.empty() && item.input.type_ids.size() != item.input.ids->size()) {
      throw usage_error("OPTION_VALUE", "--token-type-ids",
                        fmt::format("expected {} values, as many as its --input-ids, found {}",
                                    item.input.ids->size(), item.input.type_ids.size()));
    }
    ready_.push_back(std::move(item));
  }
  arguments_ = ready_.size();
  if (const auto path = options.text("file")) {
    open(*path);
  } else if (ready_.empty()) {
    if (::isatty(STDIN_FILENO) == 1) {
      std::fputs("Reading from the terminal: one input a line, Ctrl-D ends.\n", stderr);
    }
    lines_ = std::make_unique<LineReader>(STDIN_FILENO, name_);
  }
}

InputSource::~InputSource() {
  if (fd_ >= 0) ::close(fd_);
}

void InputSource::open(const std::string& path) {
  name_ = path;
  struct stat status {};
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string problem;
  if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
    problem = std::strerror(errno);
  } else if (S_ISDIR(status.st_mode)) {
    problem = "it is a directory";
  }
  if (!problem.empty()) {
    InputItem item;
    item.error = Error("INPUT_FILE", path, "this file of inputs cannot be read: " + problem);
    ready_.push_back(std::move(item));
    return;
  }
  if (S_ISREG(status.st_mode)) file_bytes_ = static_cast<std::uint64_t>(status.st_size);
  lines_ = std::make_unique<LineReader>(fd_, name_);
}

std::optional<InputItem> InputSource::read() {
  if (!lines_ || ended_) return std::nullopt;
  InputItem item;
  try {
    std::optional<std::string> line = lines_->next();
    if (line) {
      item.bytes = line->size() + 1;
      item.input.text = std::move(*line);
      any_ = true;
      return item;
    }
    ended_ = true;
    if (any_ || arguments_ > 0 || stopped_) return std::nullopt;
    item.error = Error("NO_INPUT", name_,
                       "it holds no line; give inputs as arguments, with --file or on standard input");
  } catch (const Error& error) {
    ended_ = true;
    item.error = error;
  }
  return item;
}

std::optional<InputItem> InputSource::next() {
  if (ready_.empty()) return read();
  InputItem item = std::move(ready_.front());
  ready_.pop_front();
  return item;
}

bool InputSource::several() {
  while (ready_.size() < 2) {
    std::optional<InputItem> item = read();
    if (!item) break;
    ready_.push_back(std::move(*item));
  }
  return ready_.size() > 1;
}

void InputSource::stop() {
  stopped_ = true;
  if (lines_) lines_->stop();
}

}  // namespace attend::cli
