#include "loaders/files/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

std::string reason(int error_number) {
  return std::generic_category().message(error_number);
}

}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto type = std::filesystem::symlink_status(path, ignored).type();
  return type != std::filesystem::file_type::not_found && type != std::filesystem::file_type::none;
}

File::File(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe must not wait for a writer. It changes nothing for regular files.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    const int error_number = errno;
    const bool missing = error_number == ENOENT || error_number == ENOTDIR;
    throw Error(missing ? "FILE_NOT_FOUND" : "FILE_READ", name(),
                missing ? "there is no such file" : "cannot be opened: " + reason(error_number));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const bool directory = S_ISDIR(status.st_mode);
    ::close(std::exchange(descriptor_, -1));
    throw Error(
        "FILE_TYPE", name(),
        fmt::format("expected a file, found {}", directory ? "a directory" : "a device, pipe or socket"));
  }
  size_bytes_ = static_cast<std::uint64_t>(status.st_size);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_bytes_(other.size_bytes_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::read(std::uint64_t offset, std::span<std::byte> dst, const char* changed_kind) const {
  std::size_t done = 0;
  while (done < dst.size()) {
    const ssize_t got =
        ::pread(descriptor_, dst.data() + done, dst.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("FILE_READ", name(), "cannot be read: " + reason(errno));
    if (got == 0) {
      throw Error(
          changed_kind, name(),
          fmt::format("expected {} bytes at offset {}, found {}: the file had {} bytes when it was opened "
                      "and is shorter now; load it again when nothing writes to it",
                      dst.size(), offset, done, size_bytes_));
    }
    done += static_cast<std::size_t>(got);
  }
}

void File::check_size(const char* changed_kind) const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0)
    throw Error("FILE_READ", name(), "cannot be read: " + reason(errno));
  if (static_cast<std::uint64_t>(status.st_size) != size_bytes_) {
    throw Error(changed_kind, name(),
                fmt::format("expected the {} bytes it had when it was opened, found {}: another program "
                            "writes to it; load it again when that is done",
                            size_bytes_, status.st_size));
  }
}

std::string File::read_all() const {
  std::string text(static_cast<std::size_t>(size_bytes_), '\0');
  read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace attend
