// What attend profile writes: the table, the JSON object, and the trace of events.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/peaks.h"

namespace attend::cli {

// Lines of at most 80 columns: the rows by phase, a legend, the requests.
std::vector<std::string> profile_table(const Profile& profile, const std::vector<ProfileRow>& rows,
                                       const ModelInfo& info, const MachinePeaks& peaks);

nlohmann::ordered_json profile_json(const Profile& profile, const std::vector<ProfileRow>& rows,
                                    const std::string& grouping, const ModelInfo& info,
                                    const MachinePeaks& peaks);

// Chrome's trace event format, which Perfetto reads as well: a track for each thread, every request a span of
// its own and a flow from its submission through the passes it took part in.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
// Throws Error (OUTPUT) when the file cannot be written.
void write_trace(const Profile& profile, const ModelInfo& info, const std::filesystem::path& path);

}  // namespace attend::cli
