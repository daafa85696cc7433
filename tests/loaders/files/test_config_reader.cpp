#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/files/config_reader.h"
#include "loaders/files/generation_config_reader.h"
#include "tests/support/byte_builders.h"
#include "tests/support/temporary_directory.h"

using namespace attend;
using attend::test::TemporaryDirectory;
using attend::test::write_bytes;

namespace {

ConfigReader reader(const std::string& text) {
  return ConfigReader::from_text(text, "config.json");
}

bool has_issue(const ConfigReader& config, const std::string& kind, const std::string& key) {
  for (const Issue& issue : config.issues()) {
    if (issue.kind == kind && issue.where == "config.json: " + key) return true;
  }
  return false;
}

GenerationConfig generation(const std::string& text, std::vector<Issue>* issues = nullptr) {
  const TemporaryDirectory directory;
  const ConfigReader config = reader(R"({"num_beams": 9})");
  write_bytes(directory / "generation_config.json", text);
  const GenerationConfig out = read_generation_config(directory.path(), config, 100);
  if (issues) *issues = config.issues();
  if (!issues) CHECK_NOTHROW(config.finish());
  return out;
}

}  // namespace

TEST_CASE("Values are read under either spelling, null is absent", "[config]") {
  const ConfigReader config =
      reader(R"({"width": 8, "torch_dtype": "float16", "scale": 2, "on": true, "none": null, "list": [1, 2],
                 "eps": 1e-5, "names": ["x"], "id2label": {"1": "B", "0": "A"}, "eos": [1, 2], "pad": 0})");
  CHECK(config.required_int("width", kWidthRange) == 8);
  CHECK(config.optional_string({"dtype", "torch_dtype"}) == "float16");
  CHECK(config.required_real("scale", {}) == 2.0);
  CHECK(config.required_bool("on"));
  CHECK(!config.has("none"));
  CHECK(config.optional_int("none", 5, {}) == 5);
  CHECK(!config.optional_real("none", RealRange{}));
  CHECK(config.optional_ints("list", {}) == std::vector<std::int64_t>{1, 2});
  CHECK(config.optional_strings("names") == std::vector<std::string>{"x"});
  CHECK(config.optional_real("eps", 1.0, {.min = 0.0, .above_min = true}) == 1e-5);
  CHECK(config.optional_labels("id2label") == std::vector<std::string>{"A", "B"});
  CHECK(config.optional_token_ids("eos", 3) == std::vector<std::int32_t>{1, 2});
  CHECK(config.optional_token_ids("pad", 3) == std::vector<std::int32_t>{0});
  CHECK(config.warnings().empty());
  CHECK_NOTHROW(config.finish());
}

TEST_CASE("All refusals are reported at once", "[config]") {
  const ConfigReader config = reader(
      R"({"a": 0, "b": "8", "c": 2.5, "act": "tanh", "flag": 1, "mode": "x", "id": 7, "eps": 0, "dtype": "a", "torch_dtype": "b",
          "labels": {"0": "A", "2": "B"}, "rope": {"factor": -1}})");
  CHECK(config.required_int("a", {1, 10}) == 1);
  CHECK(config.required_int("b", {1, 10}) == 1);
  CHECK(config.optional_int("c", 4, {1, 10}) == 4);
  CHECK(config.required_int("d", {1, 10}) == 1);
  CHECK(config.required_choice("act", {"relu", "gelu"}) == "relu");
  CHECK_FALSE(config.optional_bool("flag", false));
  config.refuse_unless("mode", "y");
  config.optional_token_id("id", 7);
  config.optional_real("eps", 1.0, {.min = 0.0, .above_min = true});
  config.optional_string({"dtype", "torch_dtype"});
  config.optional_labels("labels");
  config.optional_object("rope")->optional_real("factor", 1.0, {.min = 0.0});
  CHECK(has_issue(config, "CFG_FIELD_RANGE", "a"));
  CHECK(has_issue(config, "CFG_FIELD_TYPE", "b"));
  CHECK(has_issue(config, "CFG_FIELD_TYPE", "c"));
  CHECK(has_issue(config, "CFG_FIELD_MISSING", "d"));
  CHECK(has_issue(config, "CFG_VALUE", "act"));
  CHECK(has_issue(config, "CFG_FIELD_TYPE", "flag"));
  CHECK(has_issue(config, "CFG_VALUE", "mode"));
  CHECK(has_issue(config, "CFG_TOKEN_ID", "id"));
  CHECK(has_issue(config, "CFG_FIELD_RANGE", "eps"));
  CHECK(has_issue(config, "CFG_CONFLICT", "torch_dtype"));
  CHECK(has_issue(config, "CFG_FIELD_RANGE", "labels"));
  CHECK(has_issue(config, "CFG_FIELD_RANGE", "rope.factor"));
  CHECK(config.issues().size() == 12);
  config.required_int("a", {1, 10});  // asked again, reported once
  CHECK(config.issues().size() == 12);
  CHECK_THROWS_AS(config.finish(), Error);
}

TEST_CASE("Sizes of heads are consistent or refused, never divided by zero", "[config]") {
  const auto sizes = [](const std::string& text, const std::string& key) {
    const ConfigReader config = reader(text);
    const HeadSizes out =
        config.head_sizes({.width = "width", .heads = "heads", .kv_heads = "kv", .head_dim = "dim"});
    INFO(text);
    CHECK(has_issue(config, "CFG_HEADS", key) == !key.empty());
    CHECK(config.issues().size() == (key.empty() ? 0 : 1));
    CHECK(out.heads % out.kv_heads == 0);
    CHECK(out.head_dim >= 1);
    return out;
  };
  CHECK(sizes(R"({"width": 8, "heads": 4, "kv": 2})", "").head_dim == 2);
  CHECK(sizes(R"({"width": 8, "heads": 4})", "").kv_heads == 4);
  CHECK(sizes(R"({"width": 8, "heads": 3, "dim": 5})", "").head_dim == 5);
  sizes(R"({"width": 8, "heads": 0})", "heads");
  sizes(R"({"width": 8, "heads": -9223372036854775808})", "heads");
  sizes(R"({"width": 8, "heads": 3})", "heads");
  sizes(R"({"width": 8, "heads": 4, "kv": 3})", "kv");
  sizes(R"({"width": 8, "heads": 4, "kv": 8})", "kv");
}

TEST_CASE("Code is never acted on and unknown keys are named, once each", "[config]") {
  const ConfigReader config = reader(
      R"({"auto_map": {}, "trust_remote_code": true, "mystery": 1, "dropout": 0.1, "num_beams": 4, "sub": {"other": 2}})");
  config.optional_object("sub");
  const std::vector<Issue> warnings = config.warnings();
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].kind == "CFG_CODE_IGNORED");
  CHECK(warnings[0].message.find("auto_map, trust_remote_code") == 0);
  CHECK(warnings[1].kind == "CFG_KEY_UNKNOWN");
  CHECK(warnings[1].message.find("mystery, sub.other") != std::string::npos);
  config.ignore({"mystery"});
  CHECK(config.warnings()[1].message.find("mystery") == std::string::npos);
}

TEST_CASE("generation_config.json counts alone where it exists", "[config]") {
  const GenerationConfig g = generation(
      R"({"max_new_tokens": 7, "early_stopping": "never", "eos_token_id": [1, 2], "bad_words_ids": [[3], [4, 5]],
          "forced_eos_token_id": 1, "temperature": 0.5, "top_k": 0, "stop_strings": "x", "decoder_start_token_id": 9,
          "_from_model_config": true, "no_such_key": 1, "penalty_alpha": 0.0, "num_beam_groups": 1})");
  CHECK(g.num_beams == 1);  // not config.json's
  CHECK(g.max_new_tokens == 7);
  CHECK(g.early_stopping == EarlyStopping::never);
  CHECK(g.eos_token_id == std::vector<std::int32_t>{1, 2});
  CHECK(g.bad_words_ids == std::vector<std::vector<std::int32_t>>{{3}, {4, 5}});
  CHECK(g.forced_eos_token_id == std::vector<std::int32_t>{1});
  CHECK(g.temperature == 0.5);
  CHECK(g.top_k == 0);
  CHECK(g.stop == std::vector<std::string>{"x"});
  CHECK(g.decoder_start_token_id == 9);
  CHECK(!g.forced_bos_token_id);
  CHECK(!g.max_length);
}

TEST_CASE("Modes that attend lacks are refused where they would take effect", "[config]") {
  const auto refused = [](const std::string& text) {
    std::vector<Issue> issues;
    generation(text, &issues);
    return issues.empty() ? "" : issues[0].kind;
  };
  CHECK(refused(R"({"penalty_alpha": 0.6, "top_k": 4})") == "GEN_UNSUPPORTED");
  CHECK(refused(R"({"penalty_alpha": 0.6, "top_k": 4, "num_beams": 2})") == "");
  CHECK(refused(R"({"num_beams": 4, "num_beam_groups": 2})") == "GEN_UNSUPPORTED");
  CHECK(refused(R"({"prompt_lookup_num_tokens": 3})") == "GEN_UNSUPPORTED");
  CHECK(refused(R"({"epsilon_cutoff": 0.1})") == "");
  CHECK(refused(R"({"epsilon_cutoff": 0.1, "do_sample": true})") == "GEN_UNSUPPORTED");
  CHECK(refused(R"({"num_return_sequences": 2})") == "CFG_VALUE");
  CHECK(refused(R"({"num_return_sequences": 3, "num_beams": 2})") == "CFG_VALUE");
  CHECK(refused(R"({"early_stopping": "soon"})") == "CFG_VALUE");
  CHECK(refused(R"({"max_new_tokens": 0})") == "CFG_FIELD_RANGE");
  CHECK(refused(R"({"bad_words_ids": [[]]})") == "CFG_FIELD_TYPE");
  CHECK(refused(R"({"suppress_tokens": [100]})") == "CFG_TOKEN_ID");
}

TEST_CASE("Without generation_config.json the keys of config.json count", "[config]") {
  const TemporaryDirectory directory;
  const ConfigReader config = reader(
      R"({"num_beams": 6, "max_length": 512, "force_bos_token_to_be_generated": true, "bos_token_id": 3,
          "decoder": {"num_beams": 2, "length_penalty": 2.0}})");
  const GenerationConfig g = read_generation_config(directory.path(), config, 100);
  config.finish();
  CHECK(g.num_beams == 6);
  CHECK(g.max_length == 512);
  CHECK(g.length_penalty == 2.0);
  CHECK(g.forced_bos_token_id == 3);
}

TEST_CASE("Token ids of config.json are checked where generation_config.json has its own too", "[config]") {
  const TemporaryDirectory directory;
  write_bytes(directory / "generation_config.json", R"({"eos_token_id": 2})");
  const ConfigReader config = reader(
      R"({"eos_token_id": [2, 100], "bos_token_id": -1, "pad_token_id": 8589934592, "forced_eos_token_id": 5})");
  const GenerationConfig out = read_generation_config(directory.path(), config, 100);
  CHECK(out.eos_token_id == std::vector<std::int32_t>{2});
  CHECK(has_issue(config, "CFG_TOKEN_ID", "eos_token_id"));
  CHECK(has_issue(config, "CFG_TOKEN_ID", "bos_token_id"));
  CHECK(has_issue(config, "CFG_TOKEN_ID", "pad_token_id"));
  CHECK(config.issues().size() == 3);
}
