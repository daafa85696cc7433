#include "loaders/files/shard_index.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "loaders/files/json.h"
#include "loaders/files/json_field.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxShards = 512;  // each stays open
constexpr std::size_t kMaxReportedIssues = 20;

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [end, _] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

// A file name as an index may hold it: relative, without "..", drive letters or backslashes.
bool is_plain_relative(std::string_view name) {
  if (name.empty() || name.size() > 1024 ||
      name.find_first_of(std::string_view("\\:\0", 3)) != std::string_view::npos)
    return false;
  const fs::path path(name);
  if (path.is_absolute()) return false;
  for (const fs::path& part : path) {
    if (part == ".." || part.empty()) return false;
  }
  return true;
}

// Shards may be links, but only to files of the same folder or of the cache the folder belongs to:
// <model>/snapshots/<revision>/shard -> <model>/blobs/<hash>.
bool resolves_inside(const fs::path& shard, const fs::path& folder) {
  std::error_code error;
  const fs::path target = fs::canonical(shard, error);
  if (error) return true;  // missing: reported as such
  const fs::path home = fs::canonical(folder, error);
  if (error) return false;
  if (is_inside(target, home)) return true;
  return home.parent_path().filename() == "snapshots" &&
         is_inside(target, home.parent_path().parent_path() / "blobs");
}

// Tensor to shard, as the index says.
using WeightMap = std::map<std::string, std::string, std::less<>>;

WeightMap read_weight_map(const fs::path& index) {
  const JsonDocument document = read_json_file(index, index_json_limits());
  const JsonField root(*document, index.string(), "IDX");
  const JsonField weight_map = root["weight_map"].object();
  WeightMap out;
  for (const JsonMember& member : weight_map.value().members()) {
    const JsonField shard = weight_map[member.key];
    const std::string_view name = shard.string();
    if (!is_plain_relative(name)) {
      throw Error(
          "IDX_PATH_ESCAPE", shard.where(),
          fmt::format("expected the name of a file in the model's folder, found {}", quote_text(name)));
    }
    out.emplace(member.key, name);
  }
  if (out.empty()) weight_map.refuse("FIELD_RANGE", "expected at least one tensor, found none");
  return out;
}

// Collects what is wrong between an index and its shards.
class Findings {
 public:
  void add(const char* kind, std::string where, std::string message) {
    if (++count_ <= kMaxReportedIssues) issues_.push_back({kind, std::move(where), std::move(message)});
  }
  void finish() {
    if (issues_.empty()) return;
    if (count_ > kMaxReportedIssues)
      issues_.back().message += fmt::format(" (and {} more findings)", count_ - kMaxReportedIssues);
    throw Error(std::move(issues_));
  }

 private:
  std::vector<Issue> issues_;
  std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<StoredTensors> open_sharded(const fs::path& index, std::string prefix, ReadShard read_shard) {
  const WeightMap weight_map = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  if (shards.size() > kMaxShards) {
    throw Error("IDX_FIELD_RANGE", index.string(),
                fmt::format("expected at most {} files, found {}", kMaxShards, shards.size()));
  }
  const fs::path folder = index.has_parent_path() ? index.parent_path() : fs::path(".");
  Findings findings;
  std::vector<File> files;
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string, std::less<>> found_in;  // tensor to shard, as the files are
  for (const std::string& shard : shards) {
    const fs::path path = folder / shard;
    if (!resolves_inside(path, folder)) {
      throw Error("IDX_PATH_ESCAPE", index.string() + ": " + shard,
                  "this file is a link that leads out of the model's folder");
    }
    std::error_code error;
    if (!fs::exists(path, error)) {
      findings.add(
          "IDX_SHARD_MISSING", path.string(),
          fmt::format("{} lists this file, which is not there; download it", index.filename().string()));
      continue;
    }
    files.emplace_back(path);
    TensorListing listing = read_shard(files.back());
    metadata.merge(listing.metadata);
    for (StoredTensor& tensor : listing.tensors) {
      const std::string& name = tensor.info.name;
      const auto [first, is_new] = found_in.emplace(name, shard);
      const auto listed = weight_map.find(name);
      if (!is_new) {
        findings.add("IDX_TENSOR_DUPLICATE", path.string() + ": " + name,
                     "this tensor is in " + first->second + " as well");
      } else if (listed == weight_map.end()) {
        findings.add("IDX_TENSOR_EXTRA", path.string() + ": " + name,
                     index.filename().string() + " does not list this tensor");
      }
      tensor.file = static_cast<std::uint32_t>(files.size() - 1);
      if (is_new) tensors.push_back(std::move(tensor));
    }
  }
  for (const auto& [name, shard] : weight_map) {
    const auto found = found_in.find(name);
    std::error_code error;
    if (found == found_in.end() && fs::exists(folder / shard, error)) {
      findings.add("IDX_TENSOR_MISSING", (folder / shard).string() + ": " + name,
                   index.filename().string() + " lists this tensor here, the file has none of this name");
    } else if (found != found_in.end() && found->second != shard) {
      findings.add(
          "IDX_TENSOR_MISSING", (folder / shard).string() + ": " + name,
          fmt::format("{} lists this tensor here, it is in {}", index.filename().string(), found->second));
    }
  }
  findings.finish();
  return std::make_unique<StoredTensors>(std::move(prefix), std::move(files), std::move(tensors),
                                         std::move(metadata));
}

}  // namespace attend
