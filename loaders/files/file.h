// Files that are read by position: no shared offset, no memory map, so no signal when one shrinks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace attend {

// Whether anything has this name. A link that leads nowhere or a pipe counts: it is for File to refuse by
// name, not to be passed over as if the directory came without.
bool is_there(const std::filesystem::path& path);

// An open regular file. All functions are const and may be called from several threads at once.
class File {
 public:
  // Throws FILE_NOT_FOUND, FILE_TYPE (a directory, a pipe, a device), FILE_READ (no permission, ...).
  explicit File(std::filesystem::path path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::string name() const { return path_.string(); }
  // When it was opened.
  std::uint64_t size_bytes() const { return size_bytes_; }

  // Fills `dst` from `offset` on. Throws `changed_kind` when the file ends before, FILE_READ otherwise.
  void read(std::uint64_t offset, std::span<std::byte> dst, const char* changed_kind = "FILE_CHANGED") const;
  // Throws `changed_kind` when the file's size is no longer the one it was opened with.
  void check_size(const char* changed_kind = "FILE_CHANGED") const;
  // The whole file; the caller has checked size_bytes().
  std::string read_all() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace attend
