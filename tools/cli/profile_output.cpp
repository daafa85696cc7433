#include "tools/cli/profile_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attend::cli {
namespace {

constexpr std::size_t kNameColumns = 24;
constexpr std::size_t kMostRequests = 20;  // of the table; --json has all
// A step whose data comes out of the caches beats the memory's bandwidth.
constexpr double kBeyondPeak = 1.1;

double per_second(double amount, double seconds) {
  return seconds > 0 ? amount / seconds / 1e9 : 0;
}

// Cut at its beginning, where names are alike.
std::string fitted(const std::string& name, std::size_t columns) {
  if (name.size() <= columns) return name;
  return "~" + name.substr(name.size() - columns + 1);
}

std::string number_or_blank(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "";
}

double peak_fraction(const ProfileRow& row) {
  return row.counted_seconds > 0 ? row.ideal_seconds / row.counted_seconds : 0;
}

// "82c": per cent of the peak, bound by compute; "b": by bandwidth.
std::string peak_text(const ProfileRow& row) {
  const double fraction = peak_fraction(row);
  if (fraction <= 0) return "";
  if (fraction > kBeyondPeak) return "cache";
  return fmt::format("{:.0f}%{}", 100 * fraction, row.compute_bound ? 'c' : 'b');
}

// A letter for each implementation, in the order in which they are met.
class Legend {
 public:
  std::string letters(const ProfileRow& row) {
    std::string text;
    for (const std::string& name : row.implementations) {
      const auto found = std::find(names_.begin(), names_.end(), name);
      const auto index = static_cast<std::size_t>(found - names_.begin());
      if (found == names_.end()) names_.push_back(name);
      text += index < 26 ? static_cast<char>('a' + index) : '?';
    }
    return text + (row.reference ? "!" : "");
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::string line = "run by:";
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const std::string entry = fmt::format(" {} {}{}", i < 26 ? static_cast<char>('a' + i) : '?', names_[i],
                                            i + 1 < names_.size() ? "," : "");
      if (line.size() + entry.size() > 80) {
        lines.push_back(std::move(line));
        line = "       ";
      }
      line += entry;
    }
    lines.push_back(std::move(line));
    return lines;
  }

 private:
  std::vector<std::string> names_;
};

std::string line_of(const std::string& name, const std::string& calls, double seconds, double mean_us,
                    double share) {
  return fmt::format("{:<{}}{:>7}{:>10.2f}{:>9}{:>6.1f}", fitted(name, kNameColumns), kNameColumns, calls,
                     seconds * 1e3, number_or_blank(mean_us, "{:.1f}"), share);
}

std::string row_line(const ProfileRow& row, double wall, Legend& legend) {
  const double mean = row.calls > 0 ? row.seconds / static_cast<double>(row.calls) * 1e6 : 0;
  const std::string calls = row.calls > 0 ? std::to_string(row.calls) : "";
  std::string line = line_of(row.name, calls, row.seconds, mean, 100 * row.seconds / wall);
  line +=
      fmt::format("{:>8}{:>6}{:>6} {}", number_or_blank(per_second(row.flops, row.counted_seconds), "{:.1f}"),
                  number_or_blank(per_second(row.bytes, row.counted_seconds), "{:.1f}"), peak_text(row),
                  legend.letters(row));
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string phase_line(const std::string& phase, const std::vector<ProfileRow>& rows, double wall) {
  double seconds = 0;
  for (const ProfileRow& row : rows) seconds += row.phase == phase ? row.seconds : 0;
  const std::string title = phase.empty()      ? "beside the steps"
                            : phase == "mixed" ? "prefill and decode"
                                               : phase;
  return line_of("-- " + title, "", seconds, 0, 100 * seconds / wall);
}

std::vector<std::string> request_lines(const Profile& profile) {
  std::vector<std::string> lines;
  if (profile.requests.size() < 2) return lines;
  lines.emplace_back();
  lines.emplace_back("request    tokens in   out  queue ms  encoder  prefill   decode sampler total ms");
  for (std::size_t i = 0; i < std::min(profile.requests.size(), kMostRequests); ++i) {
    const ProfileRequest& r = profile.requests[i];
    lines.push_back(fmt::format("{:<12}{:>8}{:>6}{:>10.2f}{:>9.2f}{:>9.2f}{:>9.2f}{:>8.2f}{:>9.1f}",
                                r.number + 1, r.input_tokens, r.output_tokens, r.queue_seconds * 1e3,
                                r.encoder_seconds * 1e3, r.prefill_seconds * 1e3, r.decode_seconds * 1e3,
                                r.sampler_seconds * 1e3, r.total_seconds * 1e3));
  }
  if (profile.requests.size() > kMostRequests)
    lines.push_back(
        fmt::format("... and {} more; --json has them all", profile.requests.size() - kMostRequests));
  lines.emplace_back("Encoder to sampler: a request's share of the passes, by its tokens in each.");
  return lines;
}

std::vector<std::string> reference_lines(const std::vector<ProfileRow>& rows) {
  std::vector<std::string> lines;
  for (const ProfileRow& row : rows) {
    if (!row.reference) continue;
    lines.push_back(
        fmt::format("problem: {} ({}) runs on oneDNN's reference implementation {}, which is slow", row.name,
                    row.phase, fmt::join(row.implementations, ", ")));
  }
  return lines;
}

}  // namespace

std::vector<std::string> profile_table(const Profile& profile, const std::vector<ProfileRow>& rows,
                                       const ModelInfo& info, const MachinePeaks& peaks) {
  const double wall = profile.wall_seconds;
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{}, {} on {} thread{}, {}", info.architecture, info.dtype, info.threads,
                              info.threads == 1 ? "" : "s", info.instruction_set));
  lines.push_back(
      fmt::format("measured peaks of this machine: {:.0f} GFLOP/s, {:.1f} GB/s", peaks.gflops, peaks.gbs));
  lines.push_back(fmt::format("{:<{}}{:>7}{:>10}{:>9}{:>6}{:>8}{:>6}{:>6} by", "step", kNameColumns, "calls",
                              "total ms", "mean us", "%", "GFLOP/s", "GB/s", "peak"));
  Legend legend;
  for (const char* phase : {"encoder", "prefill", "mixed", "decode", ""}) {
    bool any = false;
    for (const ProfileRow& row : rows) {
      if (row.phase != phase) continue;
      if (!any) lines.push_back(phase_line(phase, rows, wall));
      any = true;
      lines.push_back(row_line(row, wall, legend));
    }
  }
  lines.push_back(line_of("wall time", "", wall, 0, 100));
  for (std::string& line : legend.lines()) lines.push_back(std::move(line));
  lines.emplace_back("peak: of what this machine can do, bound by c compute or b memory bandwidth;");
  lines.emplace_back("      cache: faster than memory, the data stayed in the caches");
  if (!profile.trace_complete) lines.emplace_back("The trace ends early: there were too many events.");
  for (std::string& line : reference_lines(rows)) lines.push_back(std::move(line));
  for (std::string& line : request_lines(profile)) lines.push_back(std::move(line));
  return lines;
}

nlohmann::ordered_json profile_json(const Profile& profile, const std::vector<ProfileRow>& rows,
                                    const std::string& grouping, const ModelInfo& info,
                                    const MachinePeaks& peaks) {
  nlohmann::ordered_json json = {
      {"architecture", info.architecture},
      {"dtype", info.dtype},
      {"kv_dtype", info.kv_dtype},
      {"threads", info.threads},
      {"instruction_set", info.instruction_set},
      {"wall_ms", profile.wall_seconds * 1e3},
      {"measured_peak_gflops", peaks.gflops},
      {"measured_peak_gbs", peaks.gbs},
      {"group", grouping},
      {"rows", nlohmann::ordered_json::array()},
      {"requests", nlohmann::ordered_json::array()},
  };
  for (const ProfileRow& row : rows) {
    nlohmann::ordered_json value = {
        {"name", row.name},
        {"calls", row.calls},
        {"total_ms", row.seconds * 1e3},
        {"mean_us", row.calls > 0 ? row.seconds / static_cast<double>(row.calls) * 1e6 : 0.0},
        {"share", row.seconds / profile.wall_seconds},
    };
    if (!row.phase.empty()) {
      value["phase"] = row.phase;
      value["tokens"] = row.rows;
      value["implementations"] = row.implementations;
    }
    if (row.flops > 0) value["gflops"] = per_second(row.flops, row.counted_seconds);
    if (row.bytes > 0) value["gbs"] = per_second(row.bytes, row.counted_seconds);
    if (row.ideal_seconds > 0) {
      value["peak_fraction"] = peak_fraction(row);
      value["bound"] = row.compute_bound ? "compute" : "bandwidth";
    }
    if (row.reference) value["problem"] = "reference implementation";
    json["rows"].push_back(std::move(value));
  }
  for (const ProfileRequest& r : profile.requests) {
    json["requests"].push_back({{"request", r.number},
                                {"input_tokens", r.input_tokens},
                                {"output_tokens", r.output_tokens},
                                {"done", r.done},
                                {"queue_ms", r.queue_seconds * 1e3},
                                {"encoder_ms", r.encoder_seconds * 1e3},
                                {"prefill_ms", r.prefill_seconds * 1e3},
                                {"decode_ms", r.decode_seconds * 1e3},
                                {"sampler_ms", r.sampler_seconds * 1e3},
                                {"total_ms", r.total_seconds * 1e3}});
  }
  return json;
}

}  // namespace attend::cli
