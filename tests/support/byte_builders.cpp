#include "tests/support/byte_builders.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace attend::test {

void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw std::runtime_error("cannot write " + path.string());
  }
}

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i) {
    out[i] = static_cast<char>(value >> (8 * i) & 0xFFU);
  }
  return out;
}

std::string safetensors_bytes(std::string_view header, std::size_t data_bytes) {
  std::string out = little_endian(header.size(), 8);
  out += header;
  for (std::size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i & 0x3FU);
  return out;
}

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries, int method) {
  std::string out;
  std::string directory;
  const auto common = [&](const std::string& name, const std::string& data) {  // version to extra length
    return little_endian(0, 4) + little_endian(static_cast<std::uint64_t>(method), 2) + little_endian(0, 8) +
           little_endian(data.size(), 4) + little_endian(data.size(), 4) + little_endian(name.size(), 2) +
           little_endian(0, 2);
  };
  for (const auto& [name, data] : entries) {
    directory += "PK\x01\x02" + little_endian(0, 2) + common(name, data) + little_endian(0, 10) +
                 little_endian(out.size(), 4) + name;
    out += "PK\x03\x04" + common(name, data) + name + data;
  }
  const std::size_t directory_offset = out.size();
  out += directory + "PK\x05\x06" + little_endian(0, 4) + little_endian(entries.size(), 2) +
         little_endian(entries.size(), 2) + little_endian(directory.size(), 4) +
         little_endian(directory_offset, 4) + little_endian(0, 2);
  return out;
}

namespace pickle {

std::string start() {
  return "\x80\x02";
}
std::string text(std::string_view value) {
  return "X" + little_endian(value.size(), 4) + std::string(value);
}
std::string integer(std::int32_t value) {
  return "J" + little_endian(static_cast<std::uint32_t>(value), 4);
}
std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = global("collections", "OrderedDict") + ")R(";
  for (const auto& [key, value] : entries) out += text(key) + value;
  return out + "u";
}
std::string storage(std::string_view type, std::string_view key, std::int32_t elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(elements)}) + "Q";
}
std::string tensor(const std::string& storage, std::int32_t offset, const std::vector<std::int32_t>& size,
                   const std::vector<std::int32_t>& stride) {
  const auto integers = [](const std::vector<std::int32_t>& values) {
    std::vector<std::string> out;
    for (const std::int32_t value : values) out.push_back(integer(value));
    return tuple(out);
  };
  const std::string hooks = global("collections", "OrderedDict") + ")R";
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, integer(offset), integers(size), integers(stride), "\x89", hooks}) + "R";
}

}  // namespace pickle

std::string torch_zip(const std::string& root,
                      const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<std::pair<std::string, std::string>> entries{{"m/data.pkl", pickle::start() + root + "."},
                                                           {"m/byteorder", "little"}};
  for (const auto& [key, data] : storages) entries.emplace_back("m/data/" + key, data);
  entries.emplace_back("m/version", "3\n");
  return zip_bytes(entries);
}

std::string torch_legacy(const std::string& root,
                         const std::vector<std::pair<std::string, std::string>>& storages,
                         std::size_t element_bytes) {
  using namespace std::string_literals;
  std::string out = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."s;
  out += pickle::start() + "M\xE9\x03.";
  out += pickle::start() + "}" + pickle::text("little_endian") + "\x88s.";
  out += pickle::start() + root + ".";
  out += pickle::start() + "](";
  for (const auto& [key, data] : storages) out += pickle::text(key);
  out += "e.";
  for (const auto& [key, data] : storages) out += little_endian(data.size() / element_bytes, 8) + data;
  return out;
}

}  // namespace attend::test
