#include "loaders/files/file_kind.h"

#include <algorithm>
#include <cctype>

namespace attend {

FileKind file_kind(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.empty()) return FileKind::empty;
  if (head.starts_with("version https://git-lfs"sv)) return FileKind::git_lfs_pointer;
  if (head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv)) return FileKind::zip;
  if (head.starts_with("\x1F\x8B"sv)) return FileKind::gzip;
  if (head.starts_with("GGUF"sv)) return FileKind::gguf;
  if (head.starts_with("\x89HDF\r\n\x1A\n"sv)) return FileKind::hdf5;
  if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return FileKind::pickle;
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos) {
    std::string tag(head.substr(start, 14));
    std::transform(tag.begin(), tag.end(), tag.begin(), [](unsigned char c) { return std::tolower(c); });
    if (tag.starts_with("{\"") || tag.starts_with("[{")) return FileKind::json;
    if (tag.starts_with("<!doctype html") || tag.starts_with("<html")) return FileKind::html;
  }
  return FileKind::unknown;
}

std::string describe(FileKind kind) {
  switch (kind) {
    case FileKind::unknown: return "a file of unknown format";
    case FileKind::empty: return "an empty file";
    case FileKind::git_lfs_pointer:
      return "a Git LFS pointer instead of the file it stands for; run `git lfs pull` in the model's "
             "repository";
    case FileKind::html:
      return "an HTML page: the download saved an error or login page; download the file again";
    case FileKind::json: return "JSON text: the download may have saved an error message; look at it";
    case FileKind::zip:
      return "a ZIP archive (torch checkpoints are one: such a file is named pytorch_model.bin)";
    case FileKind::gzip: return "a gzip archive; unpack it";
    case FileKind::pickle:
      return "a Python pickle (older torch checkpoints are one: such a file is named pytorch_model.bin)";
    case FileKind::gguf: return "a GGUF file";
    case FileKind::hdf5: return "an HDF5 file";
  }
  return "a file of unknown format";
}

bool is_foreign_to_json(FileKind kind) {
  return kind != FileKind::unknown && kind != FileKind::json;
}

}  // namespace attend
