// The events of a profile as a file for Perfetto (https://ui.perfetto.dev) and chrome://tracing.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "tools/cli/profile_output.h"

namespace attend::cli {
namespace {

// A JSON string, quotes included; control characters and invalid UTF-8 cannot break the file.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

class TraceFile {
 public:
  explicit TraceFile(const std::filesystem::path& path) : path_(path.string()) {
    file_.reset(std::fopen(path_.c_str(), "wb"));
    if (file_ == nullptr) fail();
    put("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [");
  }

  // `event` is the object without its braces.
  void event(const std::string& event) {
    put(first_ ? "\n{" : ",\n{");
    put(event);
    put("}");
    first_ = false;
  }

  void finish() {
    put("\n]}\n");
    if (std::fflush(file_.get()) != 0) fail();
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void put(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) fail();
  }
  [[noreturn]] void fail() const {
    throw Error("OUTPUT", path_, std::string("the trace cannot be written: ") + std::strerror(errno));
  }

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  bool first_ = true;
};

// Times are whole nanoseconds, so that slices that nest do so in the file as well.
std::int64_t nanoseconds(double seconds) {
  return std::llround(seconds * 1e9);
}

// In microseconds, the format's unit.
std::string micros(std::int64_t ns) {
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}

std::string at(double seconds) {
  return micros(nanoseconds(seconds));
}

// Perfetto takes thread 0 for the process's main thread, which has the number of the process.
int track(int thread) {
  return thread + 1;
}

void write_thread_names(TraceFile& file, const Profile& profile, const ModelInfo& info) {
  file.event(fmt::format(R"("ph":"M","pid":1,"name":"process_name","args":{{"name":{}}})",
                         quoted("attend " + info.architecture)));
  for (std::size_t thread = 0; thread < profile.threads.size(); ++thread) {
    const int tid = track(static_cast<int>(thread));
    file.event(fmt::format(R"("ph":"M","pid":1,"tid":{},"name":"thread_name","args":{{"name":{}}})", tid,
                           quoted(profile.threads[thread])));
    file.event(fmt::format(
        R"("ph":"M","pid":1,"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}})", tid, tid));
  }
}

void write_slice(TraceFile& file, const Profile& profile, const ProfileSlice& slice) {
  std::string arguments;
  if (slice.rows > 0) arguments = fmt::format(R"("tokens":{})", slice.rows);
  if (!slice.requests.empty())
    arguments +=
        fmt::format(R"({}"requests":[{}])", arguments.empty() ? "" : ",", fmt::join(slice.requests, ","));
  file.event(fmt::format(
      R"("ph":"X","pid":1,"tid":{},"name":{},"ts":{},"dur":{},"args":{{{}}})", track(slice.thread),
      quoted(profile.names[static_cast<std::size_t>(slice.name)]), at(slice.begin_seconds),
      micros(nanoseconds(slice.end_seconds) - nanoseconds(slice.begin_seconds)), arguments));
}

// A flow for each request: it begins in the slice that submits it and goes through the passes, in time.
void write_requests(TraceFile& file, const Profile& profile) {
  std::map<std::int64_t, std::vector<const ProfileSlice*>> passes;
  for (const ProfileSlice& slice : profile.slices) {
    for (const std::int64_t request : slice.requests) passes[request].push_back(&slice);
  }
  for (auto& [request, slices] : passes) {
    std::stable_sort(slices.begin(), slices.end(), [](const ProfileSlice* a, const ProfileSlice* b) {
      return a->begin_seconds < b->begin_seconds;
    });
    const std::string name = fmt::format("request {}", request);
    const auto span = [&](char phase, double seconds) {
      file.event(fmt::format(
          R"("ph":"{}","cat":"request","pid":1,"tid":{},"id2":{{"local":"{:#x}"}},"name":{},"ts":{})", phase,
          track(0), request, quoted(name), at(seconds)));
    };
    span('b', slices.front()->begin_seconds);
    span('e', slices.back()->end_seconds);
    for (std::size_t i = 0; i < slices.size() && slices.size() > 1; ++i) {
      const bool last = i + 1 == slices.size();
      const char* phase = i == 0 ? "s" : last ? "f" : "t";
      // Just behind the beginning of its slice and before that of a slice within, so that it belongs to this
      // one.
      const std::int64_t begin = nanoseconds(slices[i]->begin_seconds);
      const std::int64_t when = std::min(begin + 1, nanoseconds(slices[i]->end_seconds));
      file.event(fmt::format(R"("ph":"{}","cat":"flow","pid":1,"tid":{},"id":{},"name":{},"ts":{}{})", phase,
                             track(slices[i]->thread), request, quoted(name), micros(when),
                             last ? R"(,"bp":"e")" : ""));
    }
  }
}

}  // namespace

void write_trace(const Profile& profile, const ModelInfo& info, const std::filesystem::path& path) {
  TraceFile file(path);
  write_thread_names(file, profile, info);
  for (const ProfileSlice& slice : profile.slices) write_slice(file, profile, slice);
  write_requests(file, profile);
  file.finish();
}

}  // namespace attend::cli
