#include "loaders/quantize_model.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "engine/kernels/quantize.h"
#include "engine/log.h"
#include "engine/model/quantized_weights.h"
#include "engine/plan/weight_loader.h"
#include "loaders/files/quantization.h"
#include "loaders/files/safetensors_writer.h"
#include "loaders/files/sentence_transformers.h"
#include "loaders/graph/graph_file.h"
#include "loaders/load_model.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kChunkElements = std::int64_t{1} << 20;

[[noreturn]] void fail_write(const fs::path& path, const std::string& reason) {
  throw Error("FILE_WRITE", path.string(), "cannot be written: " + reason, ErrorCategory::internal);
}

// --- Weights

class WeightWriter {
 public:
  WeightWriter(const LoadedModel& model, const fs::path& file, const std::function<void(double)>& progress)
      : store_(*model.weights),
        axes_(quantizable_tensors(model.def)),
        progress_(progress),
        tensors_(stored_tensors(model)),
        writer_(file, listing(), {{"format", "pt"}}) {}

  QuantizedModel write() {
    for (const TensorInfo* tensor : tensors_) {
      const auto axis = axes_.find(tensor->name);
      if (axis == axes_.end()) {
        copy(*tensor);
      } else if (axis->second == OutputAxis::rows) {
        quantize_rows(*tensor);
      } else {
        quantize_columns(*tensor);
      }
    }
    writer_.finish();
    return summary_;
  }

 private:
  // In the order of their names. Other stored tensors are copies of tied ones, or what no definition reads.
  static std::vector<const TensorInfo*> stored_tensors(const LoadedModel& model) {
    std::vector<const TensorInfo*> tensors;
    for (const std::string& name : used_tensors(model.def)) tensors.push_back(model.weights->find(name));
    return tensors;
  }

  std::vector<TensorInfo> listing() {
    std::vector<TensorInfo> out;
    for (const TensorInfo* tensor : tensors_) {
      out.push_back(*tensor);
      total_bytes_ += tensor->size_bytes();
      const auto axis = axes_.find(tensor->name);
      if (axis == axes_.end()) continue;
      out.back().dtype = DType::i8;
      out.push_back({scale_name(tensor->name), DType::f32, scale_shape(tensor->shape, axis->second), ""});
      if (store_.find(out.back().name) != nullptr) {
        throw Error(
            "QUANTIZE_NAME", tensor->file + ": " + out.back().name,
            "the checkpoint has a tensor of this name, which the scales of " + tensor->name + " would have");
      }
      ++summary_.quantized_tensors;
    }
    summary_.tensors = static_cast<std::int64_t>(tensors_.size());
    for (const TensorInfo* tensor : store_.tensors()) summary_.weights_file_bytes += tensor->size_bytes();
    for (const TensorInfo& tensor : out) summary_.quantized_file_bytes += tensor.size_bytes();
    return out;
  }

  void read(const TensorInfo& tensor, std::int64_t first, std::int64_t count, std::vector<std::byte>& bytes) {
    const std::size_t width = size_bytes(tensor.dtype);
    bytes.resize(static_cast<std::size_t>(count) * width);
    store_.read(tensor, static_cast<std::uint64_t>(first) * width, bytes);
    read_bytes_ += bytes.size();
    if (progress_) progress_(static_cast<double>(read_bytes_) / static_cast<double>(total_bytes_));
  }

  std::vector<float> read_floats(const TensorInfo& tensor, std::int64_t first, std::int64_t count) {
    read(tensor, first, count, bytes_);
    std::vector<float> values(static_cast<std::size_t>(count));
    convert_to_f32(tensor.dtype, bytes_.data(), count, values.data());
    return values;
  }

  void copy(const TensorInfo& tensor) {
    const std::int64_t elements = tensor.shape.elements();
    for (std::int64_t first = 0; first < elements; first += kChunkElements) {
      read(tensor, first, std::min(kChunkElements, elements - first), bytes_);
      writer_.write(bytes_);
    }
  }

  void quantize_rows(const TensorInfo& tensor) {
    const std::int64_t rows = tensor.shape[0];
    const std::int64_t width = rows == 0 ? 0 : tensor.shape.elements() / rows;
    const std::int64_t step = std::max<std::int64_t>(1, kChunkElements / std::max<std::int64_t>(1, width));
    std::vector<float> scales(static_cast<std::size_t>(rows));
    std::vector<std::int8_t> q;
    for (std::int64_t first = 0; first < rows; first += step) {
      const std::int64_t count = std::min(step, rows - first);
      const std::vector<float> exact = read_floats(tensor, first * width, count * width);
      q.resize(exact.size());
      quantize_weights(exact.data(), count, width, q.data(), scales.data() + first);
      writer_.write(std::as_bytes(std::span(q)));
    }
    write_scales(tensor, scales);
  }

  // Stored [in, out]: the scales are those of columns.
  void quantize_columns(const TensorInfo& tensor) {
    const std::int64_t in = tensor.shape[0];
    const std::int64_t out = tensor.shape[1];
    const std::vector<float> exact = read_floats(tensor, 0, in * out);
    std::vector<std::int8_t> q(exact.size());
    std::vector<float> scales(static_cast<std::size_t>(out));
    std::vector<float> column(static_cast<std::size_t>(in));
    std::vector<std::int8_t> quantized(column.size());
    for (std::int64_t c = 0; c < out; ++c) {
      const auto at = [&](std::int64_t i) { return static_cast<std::size_t>(i * out + c); };
      for (std::int64_t i = 0; i < in; ++i) column[static_cast<std::size_t>(i)] = exact[at(i)];
      quantize_weights(column.data(), 1, in, quantized.data(), scales.data() + c);
      for (std::int64_t i = 0; i < in; ++i) q[at(i)] = quantized[static_cast<std::size_t>(i)];
    }
    writer_.write(std::as_bytes(std::span(q)));
    write_scales(tensor, scales);
  }

  void write_scales(const TensorInfo& tensor, const std::vector<float>& scales) {
    for (std::size_t i = 0; i < scales.size(); ++i) {
      if (std::isfinite(scales[i])) continue;
      throw Error("ST_NONFINITE", fmt::format("{}: {}", tensor.file, tensor.name),
                  fmt::format("the weights of output {} hold NaN or infinity, which have no 8-bit form", i));
    }
    writer_.write(std::as_bytes(std::span(scales)));
  }

  const WeightStore& store_;
  std::map<std::string, OutputAxis> axes_;
  const std::function<void(double)>& progress_;
  std::vector<const TensorInfo*> tensors_;
  QuantizedModel summary_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::vector<std::byte> bytes_;
  SafetensorsWriter writer_;
};

// --- The other files

bool holds_weights(const fs::path& file) {
  static constexpr auto kEndings = std::to_array<std::string_view>(
      {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".h5",
       ".msgpack", ".ot", ".onnx", ".gguf", ".npz", ".tflite"});
  const std::string name = file.filename().string();
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

void copy_whole(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, error);  // of a link, what it leads to
  if (error) fail_write(to, error.message() + " (a copy of " + from.string() + ")");
}

void make_directories(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) fail_write(directory, error.message());
}

// Files of a folder, without weights; nothing of hidden ones and of folders within.
void copy_side_files(const fs::path& from, const fs::path& to) {
  make_directories(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with('.') && !holds_weights(entry.path()))
      copy_whole(entry.path(), to / name);
  }
}

// All of a folder.
void copy_folder(const fs::path& from, const fs::path& to) {
  if (!fs::is_directory(from)) return;
  make_directories(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (entry.is_directory()) {
      copy_folder(entry.path(), to / name);
    } else if (entry.is_regular_file()) {
      copy_whole(entry.path(), to / name);
    }
  }
}

// Folders of a model that are read beside the transformer's: modules of sentence-transformers, templates.
std::vector<fs::path> side_folders(const fs::path& root, const fs::path& transformer) {
  std::vector<fs::path> folders = module_folders(root);
  std::erase_if(folders, [&](const fs::path& folder) {
    return folder.empty() || (root / folder).lexically_normal() == (root / transformer).lexically_normal();
  });
  folders.push_back(transformer / "additional_chat_templates");
  return folders;
}

// Adds the quantization_config to a JSON file.
void declare(const fs::path& file) {
  if (!fs::exists(file)) return;
  std::ifstream in(file, std::ios::binary);
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(in);
  in.close();
  json[kQuantizationKey] = quantization_config();
  fs::remove(file);  // a copy of a file that is not to be written
  std::ofstream out(file, std::ios::binary);
  out << json.dump(2) << '\n';
  out.close();
  if (!out) fail_write(file, std::generic_category().message(errno));
}

// To the disk: a rename must not become visible before what it names.
void sync(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool failed = descriptor < 0 || ::fsync(descriptor) != 0;
  const int error_number = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (failed) fail_write(path, std::generic_category().message(error_number));
}

// --- The new directory

Error out_error(const fs::path& out, std::string message) {
  return Error("QUANTIZE_OUT", out.string(), std::move(message), ErrorCategory::usage);
}

// `out` without a trailing slash or a link at its end, when it can be written to.
fs::path checked_out(const fs::path& model, const fs::path& out) {
  std::error_code error;
  fs::path path = fs::absolute(out).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) {
    if (!fs::is_directory(path.parent_path(), error))
      throw out_error(out,
                      "the folder that it would be in, " + path.parent_path().string() + ", is not there");
    return path;
  }
  if (fs::equivalent(path, model, error))
    throw out_error(out, "this is the model's own directory; expected the name of a new one");
  path = fs::canonical(path, error);
  if (error || !fs::is_directory(path))
    throw out_error(out, "expected a new or empty directory, found a file");
  const bool empty = fs::is_empty(path, error);
  if (error) throw out_error(out, "cannot be read: " + error.message());
  if (!empty)
    throw out_error(out, "expected a new or empty directory, found one with files; nothing is overwritten");
  return path;
}

// A directory beside the wanted one, removed unless it was renamed.
class PartialDirectory {
 public:
  explicit PartialDirectory(fs::path out)
      : out_(std::move(out)),
        path_(out_.parent_path() / fmt::format(".{}.part-{}", out_.filename().string(), ::getpid())) {
    std::error_code error;
    if (!fs::create_directory(path_, error))
      throw out_error(out_, "cannot be made: " + (error ? error.message() : path_.string() + " is there"));
  }
  ~PartialDirectory() {
    std::error_code error;
    if (!finished_) fs::remove_all(path_, error);
  }
  PartialDirectory(const PartialDirectory&) = delete;
  PartialDirectory& operator=(const PartialDirectory&) = delete;

  const fs::path& path() const { return path_; }

  void finish() {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path_)) sync(entry.path());
    sync(path_);
    std::error_code error;
    fs::rename(path_, out_, error);
    if (error) throw out_error(out_, "cannot be made: " + error.message());
    finished_ = true;
    sync(out_.parent_path());
  }

 private:
  fs::path out_;
  fs::path path_;
  bool finished_ = false;
};

}  // namespace

QuantizedModel quantize_model(const fs::path& root, const fs::path& out,
                              const std::function<void(double)>& progress) {
  const LoadedModel model = load_model(root);
  if (model.def.quantized) {
    throw Error("QUANTIZE_ALREADY", root.string(),
                "its weights are in 8 bits already, as its quantization_config says; copy the directory");
  }
  const bool graph_file = has_graph_file(root);
  const fs::path transformer = graph_file ? fs::path() : transformer_folder(root);
  PartialDirectory directory(checked_out(root, out));
  try {
    copy_side_files(root, directory.path());
    if (!transformer.empty()) copy_side_files(root / transformer, directory.path() / transformer);
    for (const fs::path& folder : side_folders(root, transformer))
      copy_folder(root / folder, directory.path() / folder);
    declare(directory.path() / transformer / "config.json");
    if (graph_file) declare(directory.path() / kGraphFile);
  } catch (const fs::filesystem_error& error) {
    throw Error("FILE_READ", error.path1().string(), "cannot be read: " + error.code().message());
  }
  const QuantizedModel summary =
      WeightWriter(model, directory.path() / transformer / "model.safetensors", progress).write();
  directory.finish();
  return summary;
}

}  // namespace attend
