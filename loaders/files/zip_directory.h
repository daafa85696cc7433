// Entries of a ZIP archive that are stored without compression, as torch.save writes them.
// Format: PKWARE APPNOTE 6.3.x, sections 4.3.6 to 4.3.16 and 4.5.3 (zip64).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "loaders/files/file.h"

namespace attend {

struct ZipEntry {
  std::uint64_t offset = 0;  // of its data in the file
  std::uint64_t size_bytes = 0;
};

using ZipDirectory = std::map<std::string, ZipEntry, std::less<>>;

// Reads the central directory; every entry lies within the file. Throws PT_ZIP (malformed), PT_COMPRESSED,
// PT_DATA_TRUNCATED (no end record: the file was cut).
ZipDirectory read_zip_directory(const File& file);

}  // namespace attend
