#include "loaders/files/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034B50;
constexpr std::uint32_t kCentralHeader = 0x02014B50;
constexpr std::uint32_t kEnd = 0x06054B50;
constexpr std::uint32_t kEnd64Locator = 0x07064B50;
constexpr std::uint32_t kEnd64 = 0x06064B50;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kMaxCommentBytes = 0xFFFF;
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxEntries = (std::uint64_t{1} << 18) + 64;  // a storage a tensor, and a few more

// Little-endian integers of a record.
std::uint64_t field(std::string_view record, std::size_t at, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = size; i-- > 0;) out = out << 8U | static_cast<unsigned char>(record[at + i]);
  return out;
}

class ZipReader {
 public:
  explicit ZipReader(const File& file) : file_(file) {}

  ZipDirectory read();

 private:
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t entries = 0;
  };

  [[noreturn]] void refuse(std::uint64_t offset, const std::string& message,
                           const char* kind = "PT_ZIP") const {
    throw Error(kind, file_.name(), fmt::format("offset {}: {}", offset, message));
  }
  std::string bytes(std::uint64_t offset, std::uint64_t size) const {
    if (offset > file_.size_bytes() || size > file_.size_bytes() - offset) {
      refuse(offset, fmt::format("a record of {} bytes reaches beyond the file's {} bytes", size,
                                 file_.size_bytes()));
    }
    std::string out(static_cast<std::size_t>(size), '\0');
    file_.read(offset, std::as_writable_bytes(std::span(out)), "PT_FILE_CHANGED");
    return out;
  }
  Extent find_directory() const;
  std::pair<std::string, ZipEntry> read_entry(std::string_view directory, std::size_t& at,
                                              std::uint64_t directory_offset) const;

  const File& file_;
};

ZipReader::Extent ZipReader::find_directory() const {
  const std::uint64_t size = file_.size_bytes();
  const std::uint64_t tail_bytes = std::min(size, kEndBytes + kMaxCommentBytes);
  const std::string tail = bytes(size - tail_bytes, tail_bytes);
  std::optional<std::size_t> found;
  for (std::size_t i = tail.size() >= kEndBytes ? tail.size() - kEndBytes + 1 : 0; i-- > 0 && !found;) {
    if (field(tail, i, 4) == kEnd && field(tail, i + 20, 2) == tail.size() - i - kEndBytes) found = i;
  }
  if (!found) {
    refuse(size,
           "the archive's directory at the end of the file is missing: the file was cut; download it again",
           "PT_DATA_TRUNCATED");
  }
  const std::uint64_t end_offset = size - tail_bytes + *found;
  Extent extent{field(tail, *found + 16, 4), field(tail, *found + 12, 4), field(tail, *found + 10, 2)};
  if (end_offset >= 20) {
    const std::string locator = bytes(end_offset - 20, 20);
    if (field(locator, 0, 4) == kEnd64Locator) {
      const std::string end64 = bytes(field(locator, 8, 8), 56);
      if (field(end64, 0, 4) != kEnd64) refuse(field(locator, 8, 8), "expected a zip64 end record");
      extent = {field(end64, 48, 8), field(end64, 40, 8), field(end64, 32, 8)};
    }
  }
  if (extent.offset > end_offset || extent.size_bytes > end_offset - extent.offset) {
    refuse(end_offset,
           fmt::format("the directory at offset {} of {} bytes does not lie before its end record",
                       extent.offset, extent.size_bytes));
  }
  if (extent.size_bytes > kMaxDirectoryBytes || extent.entries > kMaxEntries) {
    refuse(extent.offset,
           fmt::format("a directory of {} entries in {} bytes", extent.entries, extent.size_bytes),
           "PT_LIMIT");
  }
  return extent;
}

// One central header: its entry, with the place of the data from the local header.
std::pair<std::string, ZipEntry> ZipReader::read_entry(std::string_view directory, std::size_t& at,
                                                       std::uint64_t directory_offset) const {
  const std::uint64_t here = directory_offset + at;
  if (directory.size() - at < 46 || field(directory, at, 4) != kCentralHeader)
    refuse(here, "expected a directory entry");
  const std::string_view header = directory.substr(at, 46);
  const std::uint64_t flags = field(header, 8, 2);
  const std::uint64_t method = field(header, 10, 2);
  const std::size_t name_bytes = static_cast<std::size_t>(field(header, 28, 2));
  const std::size_t extra_bytes = static_cast<std::size_t>(field(header, 30, 2));
  const std::size_t comment_bytes = static_cast<std::size_t>(field(header, 32, 2));
  std::uint64_t packed = field(header, 20, 4);
  std::uint64_t size = field(header, 24, 4);
  std::uint64_t local = field(header, 42, 4);
  if (directory.size() - at - 46 < name_bytes + extra_bytes + comment_bytes)
    refuse(here, "a directory entry is cut");
  const std::string name(directory.substr(at + 46, name_bytes));
  std::string_view extra = directory.substr(at + 46 + name_bytes, extra_bytes);
  at += 46 + name_bytes + extra_bytes + comment_bytes;
  while (extra.size() >= 4) {  // blocks of id, size, data; zip64 (1) holds what did not fit, in this order
    const std::size_t block = static_cast<std::size_t>(field(extra, 2, 2));
    if (block > extra.size() - 4) refuse(here, "an extra field is cut");
    std::string_view data = extra.substr(4, block);
    if (field(extra, 0, 2) == 1) {
      for (std::uint64_t* value : {&size, &packed, &local}) {
        if (*value != 0xFFFFFFFF) continue;
        if (data.size() < 8) refuse(here, "a zip64 field is cut");
        *value = field(data, 0, 8);
        data.remove_prefix(8);
      }
    }
    extra.remove_prefix(4 + block);
  }
  const std::string where = quote_text(name);
  if (flags & 1U) refuse(here, where + " is encrypted");
  if (method != 0)
    refuse(here, fmt::format("{} is compressed (method {}); torch stores without compression", where, method),
           "PT_COMPRESSED");
  if (packed != size) refuse(here, fmt::format("{}: {} bytes are stored as {}", where, size, packed));
  const std::string local_header = bytes(local, 30);
  if (field(local_header, 0, 4) != kLocalHeader) refuse(local, "expected a local header of " + where);
  const std::uint64_t offset = local + 30 + field(local_header, 26, 2) + field(local_header, 28, 2);
  if (offset > file_.size_bytes() || size > file_.size_bytes() - offset) {
    refuse(here,
           fmt::format("{}: {} bytes at offset {} reach beyond the file's {} bytes", where, size, offset,
                       file_.size_bytes()),
           "PT_DATA_TRUNCATED");
  }
  return {name, {offset, size}};
}

ZipDirectory ZipReader::read() {
  const Extent extent = find_directory();
  const std::string directory = bytes(extent.offset, extent.size_bytes);
  ZipDirectory out;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < extent.entries; ++i) {
    const std::uint64_t here = extent.offset + at;
    auto [name, entry] = read_entry(directory, at, extent.offset);
    if (!out.emplace(name, entry).second)
      refuse(here, fmt::format("the entry {} occurs twice", quote_text(name)));
  }
  if (at != directory.size())
    refuse(extent.offset + at, fmt::format("the directory has {} bytes more than its {} entries",
                                           directory.size() - at, extent.entries));
  return out;
}

}  // namespace

ZipDirectory read_zip_directory(const File& file) {
  return ZipReader(file).read();
}

}  // namespace attend
