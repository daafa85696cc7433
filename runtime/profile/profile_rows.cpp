// The lines of a profile's table.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "attend/profile.h"

namespace attend {
namespace {

// "model.decoder.layers.3" of "model.decoder.layers.3.self_attn"; the node itself when it is in no layer.
std::string layer_of(const std::string& node) {
  std::size_t begin = 0;
  while (begin < node.size()) {
    const std::size_t end = std::min(node.find('.', begin), node.size());
    const bool number = end > begin && std::all_of(node.begin() + static_cast<std::ptrdiff_t>(begin),
                                                   node.begin() + static_cast<std::ptrdiff_t>(end),
                                                   [](char c) { return c >= '0' && c <= '9'; });
    if (number) return node.substr(0, end);
    begin = end + 1;
  }
  return node;
}

std::string group_name(const ProfileStep& step, ProfileGrouping grouping) {
  switch (grouping) {
    case ProfileGrouping::layer: return layer_of(step.node);
    case ProfileGrouping::kind: return step.kind == step.step ? step.kind : step.kind + "." + step.step;
    case ProfileGrouping::none: break;
  }
  return step.node + "." + step.step;
}

bool is_reference(const std::string& implementation) {
  return implementation.find("ref") != std::string::npos;
}

// The seconds in which the step's work could be done.
std::pair<double, bool> ideal_seconds(const ProfileStep& step, const Roofline& roofline) {
  if (roofline.flops_per_second <= 0 || roofline.bytes_per_second <= 0) return {0, false};
  const double compute = step.flops / roofline.flops_per_second;
  const double bandwidth = step.bytes / roofline.bytes_per_second;
  return {std::max(compute, bandwidth), compute > bandwidth};
}

struct Group {
  ProfileRow row;
  double compute_seconds = 0;  // of the ideal ones, those that compute bounds
};

void add(Group& group, const ProfileStep& step, const Roofline& roofline) {
  ProfileRow& row = group.row;
  row.calls += step.calls;
  row.rows += step.rows;
  row.seconds += step.seconds;
  row.flops += step.flops;
  row.bytes += step.bytes;
  for (const std::string& name : step.implementations) {
    row.reference = row.reference || is_reference(name);
    if (std::find(row.implementations.begin(), row.implementations.end(), name) == row.implementations.end())
      row.implementations.push_back(name);
  }
  if (step.flops == 0 && step.bytes == 0) return;
  const auto [seconds, compute] = ideal_seconds(step, roofline);
  row.counted_seconds += step.seconds;
  row.ideal_seconds += seconds;
  if (compute) group.compute_seconds += seconds;
  row.compute_bound = 2 * group.compute_seconds > row.ideal_seconds;
}

}  // namespace

std::vector<ProfileRow> profile_rows(const Profile& profile, ProfileGrouping grouping,
                                     const Roofline& roofline) {
  std::vector<ProfileRow> rows;
  for (const char* phase : {"encoder", "prefill", "mixed", "decode"}) {
    std::vector<Group> groups;  // in the order of the graph
    std::map<std::string, std::size_t> by_name;
    for (const ProfileStep& step : profile.steps) {
      if (step.phase != phase) continue;
      std::string name = group_name(step, grouping);
      const auto [found, added] = by_name.emplace(name, groups.size());
      if (added) {
        groups.emplace_back();
        groups.back().row.phase = phase;
        groups.back().row.name = std::move(name);
      }
      add(groups[found->second], step, roofline);
    }
    if (grouping != ProfileGrouping::layer) {
      std::stable_sort(groups.begin(), groups.end(),
                       [](const Group& a, const Group& b) { return a.row.seconds > b.row.seconds; });
    }
    for (Group& group : groups) rows.push_back(std::move(group.row));
  }
  for (const ProfileSection& section : profile.sections) {
    ProfileRow row;
    row.name = section.name;
    row.calls = section.calls;
    row.seconds = section.seconds;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace attend
