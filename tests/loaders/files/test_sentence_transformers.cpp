// Directories of sentence-transformers: what is read, and what is refused by name.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "attend/error.h"
#include "loaders/files/safetensors_writer.h"
#include "loaders/files/sentence_transformers.h"
#include "tests/support/temporary_directory.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string module_line(const std::string& type, const std::string& path) {
  return R"({"idx": 0, "name": "0", "path": ")" + path + R"(", "type": "sentence_transformers.models.)" +
         type + R"("})";
}

std::string modules(const std::string& more = "") {
  return "[" + module_line("Transformer", "") + "," + module_line("Pooling", "1_Pooling") + more + "]";
}

// A directory with modules.json and the pooling's configuration.
struct Folder : TemporaryDirectory {
  explicit Folder(const std::string& pooling, const std::string& list = modules()) {
    put("modules.json", list);
    put("1_Pooling/config.json", pooling);
  }
  void put(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path() / name).parent_path());
    write(name, text);
  }
};

SentenceEmbeddingConfig read(const TemporaryDirectory& folder) {
  return read_sentence_embedding(folder.path(), folder.path()).value();
}

std::string refusal(const TemporaryDirectory& folder) {
  try {
    read(folder);
  } catch (const Error& error) {
    return error.kind() + " " + error.where() + " " + error.message();
  }
  return "no refusal";
}

const Pooling& pooling_of(const SentenceEmbeddingConfig& config) {
  return std::get<Pooling>(config.modules.front());
}

const std::string kMean = R"({"word_embedding_dimension": 4, "pooling_mode_mean_tokens": true})";

TEST_CASE("a directory without modules.json says nothing of sentences") {
  const TemporaryDirectory folder;
  CHECK_FALSE(read_sentence_embedding(folder.path(), folder.path()).has_value());
  CHECK(transformer_folder(folder.path()).empty());
}

TEST_CASE("pooling modes are read from flags and by name") {
  const auto flags = read(Folder(R"({"word_embedding_dimension": 4, "pooling_mode_cls_token": true,
                                        "pooling_mode_mean_tokens": false, "include_prompt": false})"));
  CHECK(flags.from_files);
  CHECK(pooling_of(flags).cls_token);
  CHECK_FALSE(pooling_of(flags).mean_tokens);
  CHECK_FALSE(pooling_of(flags).include_prompt);
  const auto named = read(Folder(R"({"embedding_dimension": 4, "pooling_mode": ["max", "lasttoken"]})"));
  CHECK(pooling_of(named).max_tokens);
  CHECK(pooling_of(named).lasttoken);
  CHECK(pooling_of(read(Folder(R"({"embedding_dimension": 4, "pooling_mode": "weightedmean"})")))
            .weightedmean_tokens);
  CHECK(pooling_of(read(Folder(R"({"word_embedding_dimension": 4})"))).mean_tokens);
}

TEST_CASE("an unknown pooling is refused by name") {
  CHECK_THAT(refusal(Folder(R"({"pooling_mode": "median"})")), ContainsSubstring("found median"));
  CHECK_THAT(refusal(Folder(R"({"pooling_mode_median_tokens": true})")),
             ContainsSubstring("EMBEDDING_MODULE") && ContainsSubstring("pooling_mode_median_tokens"));
  CHECK_THAT(refusal(Folder(R"({"pooling_mode": ["mean", "cls"]})")), ContainsSubstring("out of order"));
  CHECK_THAT(refusal(Folder(R"({"word_embedding_dimension": 0})")),
             ContainsSubstring("word_embedding_dimension"));
}

TEST_CASE("modules that are not supported are refused by name") {
  CHECK_THAT(refusal(Folder(kMean, modules("," + module_line("CNN", "2_CNN")))),
             ContainsSubstring("found CNN"));
  CHECK_THAT(refusal(Folder(kMean, "[" + module_line("BoW", "") + "]")), ContainsSubstring("found BoW"));
  CHECK_THAT(refusal(Folder(kMean, "[" + module_line("Transformer", "") + "]")),
             ContainsSubstring("expected a Pooling"));
  CHECK_THAT(refusal(Folder(kMean, R"([{"path": "", "type": "my_code.Model"}])")),
             ContainsSubstring("never run"));
  CHECK_THAT(refusal(Folder(kMean, modules("," + module_line("Dense", "../elsewhere")))),
             ContainsSubstring("within the model's directory"));
}

TEST_CASE("a dense module must fit what comes before it") {
  const std::string list = modules("," + module_line("Dense", "2_Dense"));
  const std::string dense = R"({"in_features": 4, "out_features": 2, "bias": false,
                                "activation_function": "torch.nn.modules.linear.Identity"})";
  const std::vector<float> weight{1, 2, 3, 4, 5, 6, 7, 8};
  Folder folder(kMean, list);
  folder.put("2_Dense/config.json", dense);
  SafetensorsWriter writer(folder / "2_Dense/model.safetensors", {{"linear.weight", DType::f32, {2, 4}, ""}});
  writer.write(std::as_bytes(std::span(weight)));
  writer.finish();
  const auto module = std::get<DenseModule>(read(folder).modules.at(1));
  CHECK(module.weight == weight);
  CHECK(module.bias.empty());
  CHECK(module.activation == EmbeddingActivation::identity);

  folder.put("1_Pooling/config.json", R"({"word_embedding_dimension": 3})");
  CHECK_THAT(refusal(folder), ContainsSubstring("in_features") && ContainsSubstring("expected 3"));
  folder.put("1_Pooling/config.json", kMean);
  folder.put("2_Dense/config.json", R"({"in_features": 4, "out_features": 2})");
  CHECK_THAT(refusal(folder), ContainsSubstring("linear.bias"));
  folder.put("2_Dense/config.json", R"({"in_features": 4, "out_features": 2, "use_residual": true})");
  CHECK_THAT(refusal(folder), ContainsSubstring("use_residual"));
  folder.put("2_Dense/config.json",
             R"({"in_features": 4, "out_features": 2, "activation_function": "my.Act"})");
  CHECK_THAT(refusal(folder), ContainsSubstring("ACTIVATION_UNSUPPORTED"));
}

TEST_CASE("lengths, case, prompts and the similarity are read") {
  Folder folder(kMean);
  folder.write("sentence_roberta_config.json", R"({"max_seq_length": 128, "do_lower_case": true})");
  folder.write("config_sentence_transformers.json",
               R"({"prompts": {"query": "q: ", "none": null}, "default_prompt_name": "query",
                   "similarity_fn_name": "DOT", "__version__": {}})");
  const SentenceEmbeddingConfig config = read(folder);
  CHECK(config.max_seq_length == 128);
  CHECK(config.do_lower_case);
  CHECK(config.prompts == std::map<std::string, std::string>{{"query", "q: "}});
  CHECK(config.default_prompt_name == "query");
  CHECK(config.similarity_fn_name == "dot");

  folder.write("config_sentence_transformers.json", R"({"similarity_fn_name": "hamming"})");
  CHECK_THAT(refusal(folder), ContainsSubstring("found hamming"));
  folder.write("config_sentence_transformers.json", R"({"default_prompt_name": "query"})");
  CHECK_THAT(refusal(folder), ContainsSubstring("default_prompt_name"));
  folder.write("config_sentence_transformers.json", R"({"model_type": "SparseEncoder"})");
  CHECK_THAT(refusal(folder), ContainsSubstring("SparseEncoder"));
}

TEST_CASE("the transformer may lie in a folder of its own") {
  TemporaryDirectory folder;
  folder.write("modules.json", "[" + module_line("Transformer", "0_BERT") + "]");
  CHECK(transformer_folder(folder.path()) == "0_BERT");
  folder.write("config.json", "{}");
  CHECK(transformer_folder(folder.path()).empty());
}

}  // namespace
}  // namespace attend::test
