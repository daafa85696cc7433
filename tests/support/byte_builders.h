// Files of checkpoints put together byte by byte, without the code under test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attend::test {

void write_bytes(const std::filesystem::path& path, std::string_view bytes);
std::string read_bytes(const std::filesystem::path& path);

// `value` in `size` little-endian bytes.
std::string little_endian(std::uint64_t value, std::size_t size);

// Length, header and `data_bytes` bytes of data (0, 1, 2, ...).
std::string safetensors_bytes(std::string_view header, std::size_t data_bytes);

// A ZIP archive of stored entries. `method` is written into both headers, the data stays as it is.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries, int method = 0);

// Python pickles of protocol 2, as pieces to be joined.
namespace pickle {
std::string start();
std::string text(std::string_view value);
std::string integer(std::int32_t value);
std::string global(std::string_view module, std::string_view name);
std::string tuple(const std::vector<std::string>& items);
std::string dict(const std::vector<std::pair<std::string, std::string>>& entries);
// The persistent id of a storage.
std::string storage(std::string_view type, std::string_view key, std::int32_t elements);
// A call of torch._utils._rebuild_tensor_v2.
std::string tensor(const std::string& storage, std::int32_t offset, const std::vector<std::int32_t>& size,
                   const std::vector<std::int32_t>& stride);
}  // namespace pickle

// pytorch_model.bin in torch's ZIP form: `root` is the pickle of the state dict without its start and stop.
std::string torch_zip(const std::string& root,
                      const std::vector<std::pair<std::string, std::string>>& storages);
// The same in the form before torch 1.6.
std::string torch_legacy(const std::string& root,
                         const std::vector<std::pair<std::string, std::string>>& storages,
                         std::size_t element_bytes);

}  // namespace attend::test
