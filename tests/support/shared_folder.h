// The folder of recorded reference data beside the repository.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace attend::test {

// ATTEND_SHARED, else ../shared; tests skip visibly when it does not exist.
inline std::filesystem::path shared_folder() {
  if (const char* folder = std::getenv("ATTEND_SHARED"); folder != nullptr) return folder;
  return std::filesystem::path(ATTEND_SOURCE_DIR) / ".." / "shared";
}

}  // namespace attend::test

// Skips the running test case when `folder` (a path) is absent.
#define ATTEND_SKIP_WITHOUT(folder)                                              \
  do {                                                                           \
    if (!std::filesystem::exists(folder)) SKIP("absent: " << (folder).string()); \
  } while (false)
