// Writer of safetensors files: the header first, then the tensors' bytes in the order they were announced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/model/weight_store.h"

namespace attend {

// "F32", "BF16", ...: the format's name of a dtype.
std::string_view safetensors_name(DType dtype);

// Writes to `path` + ".part" and renames when finished, so that a file of that name is always whole.
class SafetensorsWriter {
 public:
  // Writes the header. Names must be unique and not empty. Throws FILE_WRITE.
  SafetensorsWriter(std::filesystem::path path, const std::vector<TensorInfo>& tensors,
                    const std::map<std::string, std::string>& metadata = {});
  // Removes what was written when finish() was not reached.
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // The next bytes of the data section, in pieces of any size.
  void write(std::span<const std::byte> bytes);
  // Throws FILE_WRITE, or an internal error when not all announced bytes were written.
  void finish();

 private:
  void put(const char* data, std::size_t size);

  std::filesystem::path path_;
  std::filesystem::path part_;
  std::ofstream out_;
  std::uint64_t missing_bytes_ = 0;
};

}  // namespace attend
