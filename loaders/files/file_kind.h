// What a file is by its first bytes, to say more than "not what was expected".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace attend {

enum class FileKind : std::uint8_t {
  unknown,
  empty,
  git_lfs_pointer,
  html,
  zip,
  gzip,
  pickle,
  gguf,
  hdf5,
  json
};

// 512 bytes are enough.
FileKind file_kind(std::string_view head);
// "a Git LFS pointer instead of the file it stands for; run `git lfs pull` ..."
std::string describe(FileKind kind);
// Kinds that cannot be JSON and deserve their own message.
bool is_foreign_to_json(FileKind kind);

}  // namespace attend
