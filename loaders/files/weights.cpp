#include "loaders/files/weights.h"

#include <string>
#include <system_error>

#include "attend/error.h"
#include "loaders/files/safetensors.h"
#include "loaders/files/shard_index.h"
#include "loaders/files/torch_archive.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

// True for anything of this name, also a dangling link or a folder: opening it says what is wrong.
bool present(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

// Weights of other frameworks, for the message.
std::string other_weights(const fs::path& directory) {
  std::string out;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::string extension = it->path().extension().string();
    for (const char* known :
         {".h5", ".msgpack", ".ot", ".onnx", ".gguf", ".npz", ".pt", ".pth", ".bin", ".safetensors"}) {
      if (extension == known) out += (out.empty() ? "" : ", ") + name;
    }
    if (out.size() > 200) break;
  }
  return out.empty() ? "; there are no weights of another format either" : "; found " + out;
}

}  // namespace

void check_model_directory(const fs::path& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) {
    throw Error("MODEL_DIR_NOT_FOUND", directory.string(),
                "there is no such directory; expected the folder of a Hugging Face model");
  }
  if (status.type() != fs::file_type::directory) {
    throw Error("MODEL_DIR_TYPE", directory.string(),
                "expected the folder of a Hugging Face model (with config.json), found something that is no "
                "directory");
  }
}

std::unique_ptr<StoredTensors> open_weights(const fs::path& directory) {
  check_model_directory(directory);
  if (present(directory / "model.safetensors")) return open_safetensors(directory / "model.safetensors");
  if (const fs::path index = directory / "model.safetensors.index.json"; present(index)) {
    return open_sharded(index, "ST", read_safetensors_header);
  }
  if (present(directory / "pytorch_model.bin")) return open_torch_archive(directory / "pytorch_model.bin");
  if (const fs::path index = directory / "pytorch_model.bin.index.json"; present(index)) {
    return open_sharded(index, "PT", read_torch_archive);
  }
  throw Error("WEIGHTS_NOT_FOUND", directory.string(),
              "expected one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
              "pytorch_model.bin.index.json; found none of them" +
                  other_weights(directory));
}

}  // namespace attend
