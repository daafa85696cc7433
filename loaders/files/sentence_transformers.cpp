#include "loaders/files/sentence_transformers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attend/error.h"
#include "engine/model/checkpoint.h"
#include "engine/plan/weight_loader.h"
#include "loaders/files/file.h"
#include "loaders/files/json_field.h"
#include "loaders/files/weights.h"

namespace attend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "EMBEDDING";
constexpr std::int64_t kMaxWidth = 1 << 20;

// An object in a JSON file, and the document that it lives in.
struct JsonFile {
  explicit JsonFile(const fs::path& path)
      : document(read_json_file(path, config_json_limits())), root(*document, path.string(), kPrefix) {}
  JsonDocument document;
  JsonField root;
};

struct ModuleEntry {
  std::string name;  // "Pooling": the last part of the class
  fs::path folder;   // relative
};

// A folder below the directory, whatever a file says.
fs::path checked_folder(const JsonField& field) {
  const fs::path folder(field.string());
  const bool climbs = std::find(folder.begin(), folder.end(), "..") != folder.end();
  if (folder.is_absolute() || climbs)
    field.refuse("MODULE", "expected a folder within the model's directory, found " + folder.string());
  return folder;
}

std::vector<ModuleEntry> read_modules(const JsonField& root) {
  std::vector<ModuleEntry> modules;
  for (std::size_t i = 0; i < root.size(); ++i) {
    const JsonField entry = root.at(i);
    const std::string type(entry["type"].string());
    if (!type.starts_with("sentence_transformers."))
      entry["type"].refuse("MODULE", "expected a class of sentence_transformers, found " + type +
                                         "; code that a checkpoint brings along is never run");
    modules.push_back({type.substr(type.rfind('.') + 1), checked_folder(entry["path"])});
  }
  if (modules.empty() || modules.front().name != "Transformer") {
    root.refuse("MODULE", "expected a Transformer as the first module, found " +
                              (modules.empty() ? "none" : modules.front().name));
  }
  return modules;
}

// Modules read and write this unless their configuration says otherwise.
void expect_sentence_embedding(const JsonField& config) {
  for (const char* key : {"module_input_name", "module_output_name"}) {
    const std::string name = config.string_or(key, "sentence_embedding");
    if (name != "sentence_embedding")
      config[key].refuse("MODULE", "expected sentence_embedding, found " + name);
  }
}

struct PoolingMode {
  const char* name;  // in "pooling_mode"
  const char* flag;  // the older spelling, a flag for each
  bool Pooling::*field;
};
constexpr auto kModes = std::to_array<PoolingMode>({
    {"cls", "pooling_mode_cls_token", &Pooling::cls_token},
    {"max", "pooling_mode_max_tokens", &Pooling::max_tokens},
    {"mean", "pooling_mode_mean_tokens", &Pooling::mean_tokens},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", &Pooling::mean_sqrt_len_tokens},
    {"weightedmean", "pooling_mode_weightedmean_tokens", &Pooling::weightedmean_tokens},
    {"lasttoken", "pooling_mode_lasttoken", &Pooling::lasttoken},
});

// "pooling_mode": one name or a list of them.
void read_named_modes(const JsonField& mode, Pooling& pooling) {
  const std::vector<std::string> names =
      mode.value().is_string() ? std::vector<std::string>{std::string(mode.string())} : mode.strings();
  auto next = kModes.begin();
  for (const std::string& name : names) {
    const auto found =
        std::find_if(kModes.begin(), kModes.end(), [&](const PoolingMode& m) { return m.name == name; });
    if (found == kModes.end()) {
      mode.refuse("MODULE",
                  "expected cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken, found " + name);
    }
    if (found < next) {
      mode.refuse("MODULE",
                  "expected modes in the order cls, max, mean, mean_sqrt_len_tokens, weightedmean, "
                  "lasttoken, each once; found " +
                      name + " out of order");
    }
    pooling.*(found->field) = true;
    next = found + 1;
  }
}

// The older flags; one that is true and has no counterpart here is refused.
bool read_flags(const JsonField& config, Pooling& pooling) {
  bool any = false;
  for (const JsonMember& member : config.value().members()) {
    if (!member.key.starts_with("pooling_mode_")) continue;
    const JsonField flag = config[member.key];
    if (flag.is_null() || !flag.boolean()) continue;
    const auto found = std::find_if(kModes.begin(), kModes.end(),
                                    [&](const PoolingMode& m) { return m.flag == member.key; });
    if (found == kModes.end()) flag.refuse("MODULE", "this pooling is not supported");
    pooling.*(found->field) = true;
    any = true;
  }
  return any;
}

// `width`: of the hidden states, updated to that of the pooled vector.
Pooling read_pooling(const fs::path& folder, std::int64_t& width) {
  const JsonFile file(folder / "config.json");
  const JsonField& config = file.root;
  Pooling pooling;
  if (const auto mode = config.get("pooling_mode")) {
    read_named_modes(*mode, pooling);
  } else if (!read_flags(config, pooling)) {
    pooling.mean_tokens = true;
  }
  pooling.include_prompt = config.boolean_or("include_prompt", true);
  const char* key = config.get("embedding_dimension") ? "embedding_dimension" : "word_embedding_dimension";
  width = config.integer_or(key, 0, 1, kMaxWidth);
  width *= std::count_if(kModes.begin(), kModes.end(),
                         [&](const PoolingMode& mode) { return pooling.*(mode.field); });
  return pooling;
}

std::vector<float> read_tensor(Checkpoint& checkpoint, const std::string& name, const Shape& shape) {
  const TensorInfo* info = checkpoint.require(name, shape);
  if (info == nullptr) return {};
  std::vector<std::byte> bytes(static_cast<std::size_t>(info->size_bytes()));
  checkpoint.store().read(*info, 0, bytes);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  convert_to_f32(info->dtype, bytes.data(), shape.elements(), values.data());
  return values;
}

void finish(Checkpoint& checkpoint) {
  if (std::vector<Issue> issues = checkpoint.finish(); !issues.empty()) throw Error(std::move(issues));
}

void expect_width(const JsonField& config, const char* key, std::int64_t found, std::int64_t width) {
  if (width > 0 && found != width) {
    config[key].refuse("MODULE",
                       fmt::format("expected {}, what the module before it gives; found {}", width, found));
  }
}

DenseModule read_dense(const fs::path& folder, std::int64_t& width) {
  const JsonFile file(folder / "config.json");
  const JsonField& config = file.root;
  expect_sentence_embedding(config);
  if (config.boolean_or("use_residual", false))
    config["use_residual"].refuse("MODULE", "a residual connection is not supported");
  DenseModule dense;
  dense.in_features = config["in_features"].integer(1, kMaxWidth);
  dense.out_features = config["out_features"].integer(1, kMaxWidth);
  expect_width(config, "in_features", dense.in_features, width);
  if (const auto activation = config.get("activation_function"))
    dense.activation = parse_torch_activation(activation->string());
  const auto weights = open_weights(folder);
  Checkpoint checkpoint(*weights);
  dense.weight = read_tensor(checkpoint, "linear.weight", {dense.out_features, dense.in_features});
  if (config.boolean_or("bias", true))
    dense.bias = read_tensor(checkpoint, "linear.bias", {dense.out_features});
  finish(checkpoint);
  width = dense.out_features;
  return dense;
}

LayerNormModule read_layer_norm(const fs::path& folder, std::int64_t width) {
  const JsonFile file(folder / "config.json");
  const std::int64_t dimension = file.root["dimension"].integer(1, kMaxWidth);
  expect_width(file.root, "dimension", dimension, width);
  const auto weights = open_weights(folder);
  Checkpoint checkpoint(*weights);
  LayerNormModule norm{.weight = read_tensor(checkpoint, "norm.weight", {dimension}),
                       .bias = read_tensor(checkpoint, "norm.bias", {dimension})};
  finish(checkpoint);
  return norm;
}

// sentence_bert_config.json, under the name that the version of the time gave it.
void read_transformer(const fs::path& folder, SentenceEmbeddingConfig& out) {
  for (const char* kind : {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const fs::path path = folder / fmt::format("sentence_{}_config.json", kind);
    if (!is_there(path)) continue;
    const JsonFile file(path);
    const JsonField& config = file.root;
    out.max_seq_length = static_cast<std::int32_t>(
        config.integer_or("max_seq_length", 0, 1, std::numeric_limits<std::int32_t>::max()));
    out.do_lower_case = config.boolean_or("do_lower_case", false);
    const std::string task = config.string_or("transformer_task", "feature-extraction");
    if (task != "feature-extraction")
      config["transformer_task"].refuse("MODULE", "expected feature-extraction, found " + task);
    const std::string output = config.string_or("module_output_name", "token_embeddings");
    if (output != "token_embeddings")
      config["module_output_name"].refuse("MODULE", "expected token_embeddings, found " + output);
    return;
  }
}

void read_settings(const fs::path& path, SentenceEmbeddingConfig& out) {
  if (!is_there(path)) return;
  const JsonFile file(path);
  const JsonField& config = file.root;
  const std::string type = config.string_or("model_type", "SentenceTransformer");
  if (type != "SentenceTransformer")
    config["model_type"].refuse("MODULE", "expected SentenceTransformer, found " + type);
  out.similarity_fn_name = config.string_or("similarity_fn_name", "cosine");
  std::transform(out.similarity_fn_name.begin(), out.similarity_fn_name.end(), out.similarity_fn_name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr auto kFunctions = std::to_array<std::string_view>({"cosine", "dot", "euclidean", "manhattan"});
  if (std::find(kFunctions.begin(), kFunctions.end(), out.similarity_fn_name) == kFunctions.end()) {
    config["similarity_fn_name"].refuse(
        "MODULE", "expected cosine, dot, euclidean or manhattan, found " + out.similarity_fn_name);
  }
  if (const auto prompts = config.get("prompts")) {
    for (const JsonMember& member : prompts->object().value().members()) {
      const JsonField prompt = (*prompts)[member.key];
      if (!prompt.is_null()) out.prompts[std::string(member.key)] = prompt.string();
    }
  }
  out.default_prompt_name = config.string_or("default_prompt_name", "");
  if (!out.default_prompt_name.empty() && !out.prompts.contains(out.default_prompt_name)) {
    config["default_prompt_name"].refuse(
        "MODULE", "expected the name of one of the prompts, found " + out.default_prompt_name);
  }
}

}  // namespace

fs::path transformer_folder(const fs::path& directory) {
  if (is_there(directory / "config.json") || !is_there(directory / "modules.json")) return {};
  const JsonFile file(directory / "modules.json");
  return read_modules(file.root).front().folder;
}

std::vector<fs::path> module_folders(const fs::path& directory) {
  std::vector<fs::path> folders;
  if (!is_there(directory / "modules.json")) return folders;
  const JsonFile file(directory / "modules.json");
  for (ModuleEntry& entry : read_modules(file.root)) folders.push_back(std::move(entry.folder));
  return folders;
}

std::optional<SentenceEmbeddingConfig> read_sentence_embedding(const fs::path& root,
                                                               const fs::path& transformer) {
  if (!is_there(root / "modules.json")) return std::nullopt;
  const JsonFile file(root / "modules.json");
  SentenceEmbeddingConfig config;
  config.from_files = true;
  config.modules.clear();
  std::int64_t width = 0;  // of the vector so far; 0: not known
  const std::vector<ModuleEntry> modules = read_modules(file.root);
  for (std::size_t i = 1; i < modules.size(); ++i) {
    const fs::path folder = root / modules[i].folder;
    const std::string& name = modules[i].name;
    if ((i == 1) != (name == "Pooling")) {
      file.root.at(i)["type"].refuse(
          "MODULE", "expected one Pooling module, directly after the Transformer; found " + name);
    }
    if (name == "Pooling") {
      config.modules.emplace_back(read_pooling(folder, width));
    } else if (name == "Dense") {
      config.modules.emplace_back(read_dense(folder, width));
    } else if (name == "LayerNorm") {
      config.modules.emplace_back(read_layer_norm(folder, width));
    } else if (name == "Normalize") {
      if (is_there(folder / "config.json")) expect_sentence_embedding(JsonFile(folder / "config.json").root);
      config.modules.emplace_back(NormalizeModule{});
    } else if (name != "Dropout") {
      file.root.at(i)["type"].refuse(
          "MODULE", "expected Dense, LayerNorm, Normalize or Dropout after the Pooling, found " + name);
    }
  }
  if (config.modules.empty())
    file.root.refuse("MODULE", "expected a Pooling module after the Transformer, found none");
  read_transformer(transformer, config);
  read_settings(root / "config_sentence_transformers.json", config);
  return config;
}

}  // namespace attend
