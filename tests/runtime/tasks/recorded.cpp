#include "tests/runtime/tasks/recorded.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace attend::test {
namespace {

using Json = nlohmann::json;

std::vector<std::int32_t> expand(const Json& runs) {
  std::vector<std::int32_t> values;
  for (std::size_t i = 0; i + 1 < runs.size(); i += 2) {
    values.insert(values.end(), runs[i + 1].get<std::size_t>(), runs[i].get<std::int32_t>());
  }
  return values;
}

Encoding encoding_of(const Json& json) {
  Encoding encoding;
  encoding.ids = json.at("ids").get<std::vector<std::int32_t>>();
  const auto offsets = json.at("offsets").get<std::vector<std::int32_t>>();
  for (std::size_t i = 0; i < offsets.size(); i += 2)
    encoding.offsets.emplace_back(offsets[i], offsets[i + 1]);
  encoding.type_ids = expand(json.at("type_ids"));
  encoding.sequence_ids = expand(json.at("sequence_ids"));
  encoding.word_ids = expand(json.at("word_ids"));
  return encoding;
}

std::string strategy_name(Truncation::Strategy strategy) {
  switch (strategy) {
    case Truncation::Strategy::longest_first: return "longest_first";
    case Truncation::Strategy::only_first: return "only_first";
    case Truncation::Strategy::only_second: return "only_second";
  }
  return "";
}

std::string question(std::string_view text, const EncodeOptions& options) {
  Json key = {text, options.pair ? Json(*options.pair) : Json(), options.add_special_tokens};
  if (options.truncation) {
    key.push_back(strategy_name(options.truncation->strategy));
    key.push_back(options.truncation->max_length);
    key.push_back(options.truncation->stride);
  }
  return key.dump();
}

std::string question(const Json& recorded) {
  EncodeOptions options;
  options.add_special_tokens = recorded.at("add_special_tokens");
  if (!recorded.at("pair").is_null()) options.pair = recorded.at("pair").get<std::string>();
  if (recorded.contains("strategy")) {
    Truncation truncation{.max_length = recorded.at("max_length"), .stride = recorded.at("stride")};
    const std::string name = recorded.at("strategy");
    if (name == "only_first") truncation.strategy = Truncation::Strategy::only_first;
    if (name == "only_second") truncation.strategy = Truncation::Strategy::only_second;
    options.truncation = truncation;
  }
  return question(recorded.at("text").get<std::string>(), options);
}

const std::string& answer(const std::map<std::string, std::string>& answers, const std::string& key) {
  const auto found = answers.find(key);
  if (found == answers.end()) throw std::runtime_error("the tokenizer was not recorded with " + key);
  return found->second;
}

EmbeddingModule module_of(const Json& json) {
  const std::string type = json.at("type");
  if (type == "Pooling") {
    Pooling pooling;
    pooling.cls_token = json.value("cls_token", false);
    pooling.max_tokens = json.value("max_tokens", false);
    pooling.mean_tokens = json.value("mean_tokens", false);
    pooling.mean_sqrt_len_tokens = json.value("mean_sqrt_len_tokens", false);
    pooling.weightedmean_tokens = json.value("weightedmean_tokens", false);
    pooling.lasttoken = json.value("lasttoken", false);
    pooling.include_prompt = json.value("include_prompt", true);
    return pooling;
  }
  if (type == "Dense") {
    return DenseModule{
        .in_features = json.at("in_features"),
        .out_features = json.at("out_features"),
        .weight = json.at("weight"),
        .bias = json.at("bias"),
        .activation = parse_torch_activation(json.at("activation_function").get<std::string>())};
  }
  if (type == "LayerNorm") return LayerNormModule{.weight = json.at("weight"), .bias = json.at("bias")};
  return NormalizeModule{};
}

TaskConfig config_of(const Json& json, const std::string& task) {
  TaskConfig config;
  config.tasks = {task};
  config.labels = json.value("labels", std::vector<std::string>{});
  config.problem_type = json.value("problem_type", std::string());
  config.cross_encoder_activation = json.value("cross_encoder_activation", std::string());
  if (json.contains("sentence_embedding")) {
    const Json& embedding = json["sentence_embedding"];
    auto& sentence = config.sentence_embedding;
    sentence.modules.clear();
    for (const Json& module : embedding.at("modules")) sentence.modules.push_back(module_of(module));
    sentence.do_lower_case = embedding.value("do_lower_case", false);
    sentence.similarity_fn_name = embedding.value("similarity_fn_name", std::string("cosine"));
  }
  return config;
}

void add_runs(RecordedCase& item, const Json& numbers, const Json& runs) {
  for (const Json& number : numbers) {
    const Json& run = runs.at(number.get<std::size_t>());
    const Json& sequence = run.at("sequence");
    item.sequences.push_back({.ids = sequence.at("ids"), .type_ids = sequence.at("type_ids")});
    if (sequence.contains("rows"))
      item.sequences.back().rows = sequence["rows"].get<std::vector<std::int32_t>>();
    ModelOutputs outputs;
    for (const Json& output : run.at("outputs")) {
      const auto values = output.at("values").get<std::vector<float>>();
      const auto dims = output.at("shape").get<std::vector<std::int64_t>>();
      outputs.push_back(Tensor::from(values, Shape(dims)));
    }
    item.outputs.push_back(std::move(outputs));
  }
}

// The objects of a table back with the names of their fields.
Json unfold(const Json& expected) {
  if (!expected.is_object() || !expected.contains("rows")) return expected;
  Json rows = Json::array();
  for (const Json& row : expected.at("rows")) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[expected.at("fields")[i].get<std::string>()] = row[i];
    rows.push_back(std::move(object));
  }
  return rows;
}

std::string compare(const Json& found, const Json& expected, double tolerance, const std::string& path) {
  const auto differs = [&] {
    return fmt::format("{}: expected {}, found {}", path, expected.dump(), found.dump());
  };
  if (expected.is_number_float()) {
    const bool close =
        found.is_number() && std::abs(found.get<double>() - expected.get<double>()) <= tolerance;
    return close ? "" : differs();
  }
  if (expected.is_structured()) {
    if (found.type() != expected.type() || found.size() != expected.size()) return differs();
    for (const auto& [name, value] : expected.items()) {
      if (expected.is_object() && !found.contains(name)) return differs();
      const Json& item = expected.is_object() ? found.at(name) : found.at(std::stoul(name));
      if (auto text = compare(item, value, tolerance, path + "/" + name); !text.empty()) return text;
    }
    return "";
  }
  return found == expected ? "" : differs();
}

}  // namespace

TaskOptions options_of(const Json& json) {
  TaskOptions options;
  for (const auto& [name, value] : json.items()) {
    if (name == "top_k")
      options.top_k = value;
    else if (name == "function_to_apply")
      options.function_to_apply = parse_function_to_apply(value.get<std::string>());
    else if (name == "aggregation_strategy")
      options.aggregation_strategy = parse_aggregation_strategy(value.get<std::string>());
    else if (name == "ignore_labels")
      options.ignore_labels = value;
    else if (name == "stride")
      options.stride = value;
    else if (name == "max_seq_len")
      options.max_seq_len = value;
    else if (name == "doc_stride")
      options.doc_stride = value;
    else if (name == "max_answer_len")
      options.max_answer_len = value;
    else if (name == "handle_impossible_answer")
      options.handle_impossible_answer = value;
    else if (name == "align_to_words")
      options.align_to_words = value;
    else if (name == "targets")
      options.targets = value;
    else if (name == "candidate_labels")
      options.candidate_labels = value;
    else if (name == "hypothesis_template")
      options.hypothesis_template = value;
    else if (name == "multi_label")
      options.multi_label = value;
    else if (name == "prompt")
      options.prompt = value.get<std::string>();
    else if (name == "prompt_name")
      options.prompt_name = value;
    else if (name == "normalize_embeddings")
      options.normalize_embeddings = value;
    else if (name == "truncate_dim")
      options.truncate_dim = value;
    else
      throw std::runtime_error("an option without a counterpart was recorded: " + name);
  }
  return options;
}

TaskInput input_of(const Json& json) {
  TaskInput input;
  input.text = json.at("text");
  if (json.contains("pair")) input.pair = json["pair"].get<std::string>();
  input.candidates = json.value("candidates", std::vector<std::string>{});
  return input;
}

RecordedTokenizer::RecordedTokenizer(const Json& recorded) {
  for (const Json& item : recorded.at("encodings")) {
    Encoding encoding = encoding_of(item.at("encoding"));
    for (const Json& window : item.at("overflowing")) encoding.overflowing.push_back(encoding_of(window));
    encodings_.emplace(question(item), std::move(encoding));
  }
  for (const Json& item : recorded.at("decoded")) {
    decoded_.emplace(Json({item.at("ids"), item.at("skip_special_tokens")}).dump(), item.at("text"));
  }
  for (const Json& item : recorded.at("joined")) joined_.emplace(item.at("tokens").dump(), item.at("text"));
  vocab_ = recorded.at("vocab").get<std::vector<std::string>>();
  for (std::size_t i = 0; i < vocab_.size(); ++i) ids_.emplace(vocab_[i], static_cast<std::int32_t>(i));
  special_ids_ = recorded.at("special_ids").get<std::set<std::int32_t>>();
  const Json& roles = recorded.at("special_token_ids");
  const auto role = [&](const char* name) {
    return roles.contains(name) ? std::optional<std::int32_t>(roles[name].get<std::int32_t>()) : std::nullopt;
  };
  special_ = {role("bos"), role("eos"), role("unk"), role("sep"), role("pad"), role("cls"), role("mask")};
  prefix_ = recorded.at("continuing_subword_prefix");
  max_length_ = recorded.at("model_max_length");
}

Encoding RecordedTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const auto found = encodings_.find(question(text, options));
  if (found == encodings_.end()) {
    throw std::runtime_error("the tokenizer was not recorded with " + question(text, options));
  }
  return found->second;
}

std::string RecordedTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  const std::vector<std::int32_t> list(ids.begin(), ids.end());
  return answer(decoded_, Json({list, skip_special_tokens}).dump());
}

std::optional<std::int32_t> RecordedTokenizer::token_to_id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> RecordedTokenizer::id_to_token(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) return std::nullopt;
  return vocab_[static_cast<std::size_t>(id)];
}

std::string RecordedTokenizer::convert_tokens_to_string(std::span<const std::string> tokens) const {
  return answer(joined_, Json(std::vector<std::string>(tokens.begin(), tokens.end())).dump());
}

std::vector<RecordedCase> recorded_cases(const std::string& name) {
  const std::string path = std::string(ATTEND_SOURCE_DIR) + "/tests/goldens/tasks/" + name + ".json";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  const Json data = Json::parse(file);
  std::map<std::string, std::shared_ptr<RecordedTokenizer>> tokenizers;
  for (const auto& [tokenizer, recorded] : data.at("tokenizers").items()) {
    tokenizers[tokenizer] = std::make_shared<RecordedTokenizer>(recorded);
  }
  std::vector<RecordedCase> cases;
  for (const Json& json : data.at("cases")) {
    RecordedCase item;
    item.name = json.at("name");
    item.task = json.at("task");
    item.tokenizer = tokenizers.at(json.at("tokenizer"));
    item.config = config_of(json.at("config"), item.task);
    item.options = options_of(json.at("options"));
    item.input = input_of(json.at("input"));
    add_runs(item, json.at("runs"), data.at("runs"));
    item.expected = unfold(json.at("expected"));
    cases.push_back(std::move(item));
  }
  return cases;
}

std::string difference(const TaskValue& value, const Json& expected, double tolerance) {
  return compare(Json::parse(value.json()), expected, tolerance, "");
}

}  // namespace attend::test
