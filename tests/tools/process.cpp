#include "tests/tools/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace attend::test {
namespace {

struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0); }
  std::array<int, 2> ends{};
};

void close_once(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// Reads what there is; false at the end.
bool read_some(int fd, std::string& to) {
  std::array<char, 1 << 14> chunk;
  const ssize_t count = ::read(fd, chunk.data(), chunk.size());
  if (count > 0) to.append(chunk.data(), static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

std::vector<std::string> ProcessResult::lines() const {
  std::vector<std::string> all;
  std::istringstream stream(out);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

std::vector<nlohmann::json> ProcessResult::json_lines() const {
  std::vector<nlohmann::json> values;
  for (const std::string& line : lines()) {
    INFO(line);
    nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
    REQUIRE_FALSE(value.is_discarded());
    values.push_back(std::move(value));
  }
  return values;
}

Process::Process(const std::vector<std::string>& arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe in, out, err;
  std::vector<char*> argv{const_cast<char*>(ATTEND_BINARY)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ::dup2(in.ends[0], STDIN_FILENO);
    ::dup2(out.ends[1], STDOUT_FILENO);
    ::dup2(err.ends[1], STDERR_FILENO);
    ::signal(SIGPIPE, SIG_DFL);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  ::close(err.ends[1]);
  in_ = in.ends[1];
  out_ = out.ends[0];
  err_ = err.ends[0];
}

Process::~Process() {
  close_input();
  close_once(out_);
  close_once(err_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void Process::write(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(in_, text.data() + done, text.size() - done);
    if (count <= 0) return;  // the child does not read on
    done += static_cast<std::size_t>(count);
  }
}

void Process::close_input() {
  close_once(in_);
}
void Process::close_output() {
  close_once(out_);
}
void Process::signal(int number) {
  ::kill(pid_, number);
}

std::string Process::read_line() {
  for (;;) {
    const std::size_t end = buffered_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line;
    }
    if (!read_some(out_, buffered_)) return buffered_;
  }
}

void Process::wait_until_output_is_full() {
  constexpr int kPipeBytes = 4096;
  REQUIRE(::fcntl(out_, F_SETPIPE_SZ, kPipeBytes) >= kPipeBytes);
  const int capacity = ::fcntl(out_, F_GETPIPE_SZ);
  for (int unchanged = 0, before = 0; unchanged < 20;) {
    int held = 0;
    REQUIRE(::ioctl(out_, FIONREAD, &held) == 0);
    unchanged = held == before && held > capacity - 128 ? unchanged + 1 : 0;
    before = held;
    ::usleep(10'000);
  }
}

std::string Process::environment(const std::string& name) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/environ");
  for (std::string entry; std::getline(file, entry, '\0');) {
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  }
  return "";
}

ProcessResult Process::wait() {
  ProcessResult result;
  result.out = buffered_;
  while (out_ >= 0 || err_ >= 0) {
    std::array<pollfd, 2> wait{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    ::poll(wait.data(), wait.size(), -1);
    if (wait[0].revents != 0 && !read_some(out_, result.out)) close_once(out_);
    if (wait[1].revents != 0 && !read_some(err_, result.err)) close_once(err_);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

ProcessResult run_attend(const std::vector<std::string>& arguments, const std::string& input) {
  Process process(arguments);
  process.write(input);  // short enough for the pipe: the child may not read it before it writes
  process.close_input();
  ProcessResult result = process.wait();
  UNSCOPED_INFO("exit code " << result.exit_code << "\n" << result.out << result.err);
  return result;
}

std::string demo_model() {
  return std::string(ATTEND_SOURCE_DIR) + "/tools/demo/en-ja";
}

std::string scratch(const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("attend_test_" + std::to_string(::getpid()) + "_" + name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path.string();
}

}  // namespace attend::test
