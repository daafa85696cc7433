#include "loaders/files/torch_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "loaders/files/file_kind.h"
#include "loaders/files/message_text.h"
#include "loaders/files/pickle_machine.h"
#include "loaders/files/torch_globals.h"
#include "loaders/files/zip_directory.h"

namespace attend {
namespace {

using Type = PickleValue::Type;

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{64} << 20;

// Where the bytes of each storage lie, by its number in TorchHost.
struct StoragePlaces {
  std::vector<std::uint64_t> offsets;
  bool swapped = false;
};

[[noreturn]] void refuse(const char* kind, const File& file, std::string message) {
  throw Error(kind, file.name(), std::move(message));
}

// The state dict's entries as tensors of the file.
TensorListing list_tensors(const File& file, const PickleMachine& machine, const TorchHost& host,
                           const PickleValue& root, const StoragePlaces& places) {
  if (root.type != Type::dict)
    refuse("PT_VALUE", file, "expected a state dict of tensors, found " + machine.describe(root));
  const std::span<const PickleValue> entries = machine.items(root);
  TensorListing listing;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    const std::string_view name = machine.text(entries[i]);
    const std::string where = file.name() + ": " + std::string(name.substr(0, 200));
    if (entries[i].type != Type::string || name.empty() || name.find('\0') != std::string_view::npos ||
        find_invalid_utf8(name) != std::string_view::npos) {
      refuse("PT_NAME_INVALID", file, "expected the name of a tensor, found " + machine.describe(entries[i]));
    }
    if (!names.insert(name).second) throw Error("PT_DUPLICATE_KEY", where, "this tensor occurs twice");
    const TorchTensor* tensor = host.tensor(entries[i + 1]);
    if (!tensor) {
      throw Error(
          "PT_VALUE", where,
          fmt::format(
              "expected a tensor, found {}; a training checkpoint is not a model: save its state dict alone",
              machine.describe(entries[i + 1])));
    }
    const TorchStorage& storage = host.storages()[tensor->storage];
    StoredTensor stored;
    stored.info = {std::string(name), storage.dtype, tensor->shape, file.name()};
    stored.offset = places.offsets[tensor->storage] + tensor->first_element * size_bytes(storage.dtype);
    stored.strides = tensor->strides;
    stored.swapped = places.swapped && size_bytes(storage.dtype) > 1;
    listing.tensors.push_back(std::move(stored));
  }
  return listing;
}

// torch 1.6 and later: <name>/data.pkl, <name>/data/<key> for each storage, <name>/byteorder.
TensorListing read_zip_form(const File& file) {
  const ZipDirectory directory = read_zip_directory(file);
  const ZipEntry* pickle = nullptr;
  std::string folder;
  for (const auto& [name, entry] : directory) {
    if (!name.ends_with("/data.pkl") || name.find('/') != name.size() - 9) continue;
    if (pickle) refuse("PT_ZIP", file, "the archive holds two state dicts");
    pickle = &entry;
    folder = name.substr(0, name.size() - 8);
  }
  if (!pickle)
    refuse("PT_NOT_TORCH", file,
           "expected an archive of torch.save with data.pkl in it, found a ZIP archive without");
  if (directory.contains(folder + "constants.pkl")) {
    refuse("PT_NOT_TORCH", file, "expected a state dict, found a TorchScript program; nothing of it was run");
  }
  if (pickle->size_bytes > kMaxPickleBytes)
    refuse(
        "PT_LIMIT", file,
        fmt::format("data.pkl has {} bytes, at most {} are accepted", pickle->size_bytes, kMaxPickleBytes));

  StoragePlaces places;
  if (const auto order = directory.find(folder + "byteorder"); order != directory.end()) {
    std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(order->second.size_bytes, 16)), '\0');
    file.read(order->second.offset, std::as_writable_bytes(std::span(text)), "PT_FILE_CHANGED");
    if (text != "little" && text != "big")
      refuse("PT_BYTE_ORDER", file, "expected the byte order little or big, found " + quote_text(text));
    places.swapped = text == "big";
  }
  TorchHost host;
  PickleMachine machine(file, pickle->offset, pickle->offset + pickle->size_bytes, file.name() + ": data.pkl",
                        host);
  const PickleValue root = machine.run();
  for (const TorchStorage& storage : host.storages()) {
    const auto entry = directory.find(folder + "data/" + storage.key);
    if (entry == directory.end())
      refuse("PT_STORAGE", file, fmt::format("the archive lacks the storage {}", quote_text(storage.key)));
    if (entry->second.size_bytes != storage.size_bytes()) {
      refuse("PT_STORAGE", file,
             fmt::format("storage {}: expected {} bytes, found {}", quote_text(storage.key),
                         storage.size_bytes(), entry->second.size_bytes));
    }
    places.offsets.push_back(entry->second.offset);
  }
  return list_tensors(file, machine, host, root, places);
}

// The pickle of torch's magic number, as every file before 1.6 begins.
constexpr std::string_view kLegacyMagic("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15);

bool little_endian(const File& file, const PickleMachine& machine, const PickleValue& system) {
  const std::span<const PickleValue> entries = machine.items(system);
  for (std::size_t i = 0; system.type == Type::dict && i < entries.size(); i += 2) {
    if (machine.text(entries[i]) == "little_endian" && entries[i + 1].type == Type::boolean)
      return entries[i + 1].integer != 0;
  }
  refuse("PT_BYTE_ORDER", file,
         "expected the writer's byte order (little_endian), found " + machine.describe(system));
}

// Before torch 1.6: magic number, protocol 1001, system information, state dict and storage keys, each a
// pickle; then for each key in turn its number of elements and its bytes.
TensorListing read_legacy_form(const File& file) {
  TorchHost host;
  const std::uint64_t limit = std::min<std::uint64_t>(file.size_bytes(), kMaxPickleBytes);
  PickleMachine machine(file, kLegacyMagic.size(), limit, file.name(), host);
  const PickleValue protocol = machine.run();
  if (protocol.type != Type::integer || protocol.integer != 1001) {
    refuse("PT_NOT_TORCH", file, "expected protocol 1001 of torch.save, found " + machine.describe(protocol));
  }
  StoragePlaces places;
  places.swapped = !little_endian(file, machine, machine.run());
  const PickleValue root = machine.run();
  const PickleValue keys = machine.run();
  if (keys.type != Type::list)
    refuse("PT_PICKLE", file, "expected the list of storages, found " + machine.describe(keys));

  std::map<std::string_view, std::size_t> storages;
  for (std::size_t i = 0; i < host.storages().size(); ++i) storages.emplace(host.storages()[i].key, i);
  places.offsets.assign(host.storages().size(), 0);
  std::uint64_t position = machine.position();
  for (const PickleValue& key : machine.items(keys)) {
    const auto found = storages.find(machine.text(key));
    if (found == storages.end())
      refuse("PT_STORAGE", file,
             "no tensor refers to the storage " + machine.describe(key) + ", or it is listed twice");
    const TorchStorage& storage = host.storages()[found->second];
    const auto missing = [&](std::uint64_t wanted, std::uint64_t there) {
      refuse(
          "PT_DATA_TRUNCATED", file,
          fmt::format("offset {}: expected {} bytes of storage {}, the file ends after {}; download it again",
                      position, wanted, quote_text(storage.key), there));
    };
    if (file.size_bytes() - position < 8) missing(8, file.size_bytes() - position);
    unsigned char head[8];
    file.read(position, std::as_writable_bytes(std::span(head)), "PT_FILE_CHANGED");
    std::uint64_t elements = 0;
    for (std::size_t i = 8; i-- > 0;) elements = elements << 8U | head[places.swapped ? 7 - i : i];
    if (elements != storage.elements) {
      refuse("PT_STORAGE", file,
             fmt::format("offset {}: expected {} elements in storage {}, found {}", position,
                         storage.elements, quote_text(storage.key), elements));
    }
    position += 8;
    if (file.size_bytes() - position < storage.size_bytes())
      missing(storage.size_bytes(), file.size_bytes() - position);
    places.offsets[found->second] = position;
    position += storage.size_bytes();
    storages.erase(found);
  }
  if (!storages.empty())
    refuse("PT_STORAGE", file,
           fmt::format("the file lacks the storage {}", quote_text(storages.begin()->first)));
  if (position != file.size_bytes()) {
    refuse("PT_TRAILING_DATA", file,
           fmt::format("offset {}: {} bytes after the last storage belong to none", position,
                       file.size_bytes() - position));
  }
  return list_tensors(file, machine, host, root, places);
}

}  // namespace

TensorListing read_torch_archive(const File& file) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(file.size_bytes(), 512)), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)), "PT_FILE_CHANGED");
  if (std::string_view(head).starts_with(kLegacyMagic)) return read_legacy_form(file);
  const FileKind kind = file_kind(head);
  switch (kind) {
    case FileKind::zip: return read_zip_form(file);
    case FileKind::git_lfs_pointer: refuse("PT_GIT_LFS_POINTER", file, "found " + describe(kind));
    case FileKind::pickle:
      refuse("PT_NOT_TORCH", file,
             "expected a file of torch.save, found a Python pickle of something else; nothing of it was run");
    default: break;
  }
  if (head.size() > 262 && std::string_view(head).substr(257, 5) == "ustar") {
    refuse("PT_NOT_TORCH", file,
           "found a tar archive, as torch wrote before 0.2; save it again with a newer torch");
  }
  refuse("PT_NOT_TORCH", file, "expected a file of torch.save, found " + describe(kind));
}

std::unique_ptr<StoredTensors> open_torch_archive(const std::filesystem::path& path) {
  std::vector<File> files;
  files.emplace_back(path);
  TensorListing listing = read_torch_archive(files.front());
  return std::make_unique<StoredTensors>("PT", std::move(files), std::move(listing.tensors),
                                         std::map<std::string, std::string>{});
}

}  // namespace attend
