// Every case of the corpus gets its verdict, within bounded memory.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "attend/error.h"
#include "loaders/files/config_reader.h"
#include "loaders/files/generation_config_reader.h"
#include "loaders/files/weights.h"
#include "tests/support/malformed_corpus.h"

namespace fs = std::filesystem;
using namespace attend;
using attend::test::MalformedCase;
using attend::test::MalformedStage;

namespace {

// Peak resident bytes since the last reset, from the kernel's own count.
void reset_peak_rss() {
  std::ofstream("/proc/self/clear_refs") << 5;
}

std::size_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t kib = 0;
  while (status >> word) {
    if (word == "VmHWM:") {
      status >> kib;
      return kib * 1024;
    }
  }
  return 0;
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kMemoryLimitBytes = std::size_t{1} << 30;  // red zones and quarantine come on top
#else
constexpr std::size_t kMemoryLimitBytes = std::size_t{256} << 20;
#endif

// Reads config.json as a Marian definition does.
void read_marian_config(const fs::path& directory) {
  const std::vector<std::string> supported{"MarianMTModel"};
  const ConfigReader config(directory);
  const std::string architecture = config.architecture(supported);
  if (!architecture.empty() && architecture != "MarianMTModel")
    config.refuse_architecture(architecture, supported);
  const std::int64_t vocab = config.required_int("vocab_size", kVocabRange);
  config.head_sizes({.width = "d_model", .heads = "encoder_attention_heads"});
  config.head_sizes({.width = "d_model", .heads = "decoder_attention_heads"});
  config.required_int("encoder_layers", kLayersRange);
  config.required_int("max_position_embeddings", kPositionsRange);
  config.required_choice("activation_function", {"swish", "gelu", "relu"});
  for (const char* key : {"eos_token_id", "pad_token_id", "bos_token_id"})
    config.optional_token_id(key, vocab);
  read_generation_config(directory, config, vocab);
  config.finish();
}

void read_rope_config(const fs::path& directory) {
  const ConfigReader config(directory);
  config.head_sizes(
      {.width = "d_model", .heads = "encoder_attention_heads", .kv_heads = "num_key_value_heads"});
  config.optional_real("rms_norm_eps", 1e-6, {.min = 0.0, .max = 1.0, .above_min = true});
  config.optional_real("partial_rotary_factor", 1.0, {.min = 0.0, .max = 1.0});
  if (const auto rope = config.optional_object({"rope_parameters", "rope_scaling"})) {
    rope->optional_choice({"rope_type", "type"}, "default", {"default", "linear"}, "CFG_ROPE");
    rope->optional_real("factor", 1.0, {.min = 0.0, .above_min = true});
  }
  config.finish();
}

void load(const MalformedCase& malformed, const fs::path& directory) {
  switch (malformed.stage) {
    case MalformedStage::weights: open_weights(directory); break;
    case MalformedStage::check_tensors: check_finite(*open_weights(directory)); break;
    case MalformedStage::config: read_marian_config(directory); break;
    case MalformedStage::rope: read_rope_config(directory); break;
    case MalformedStage::accepted: {
      read_marian_config(directory);
      const auto store = open_weights(directory);
      check_finite(*store);
      for (const TensorInfo* tensor : store->tensors()) {
        std::vector<std::byte> bytes(tensor->size_bytes());
        store->read(*tensor, 0, bytes);
      }
      break;
    }
    case MalformedStage::model: break;  // the end-to-end test's
  }
}

}  // namespace

TEST_CASE("Every malformed checkpoint gets its verdict", "[malformed]") {
  const fs::path root = fs::temp_directory_path() / ("attend_malformed_" + std::to_string(::getpid()));
  for (const MalformedCase& malformed : attend::test::malformed_corpus()) {
    if (malformed.stage == MalformedStage::model) continue;
    DYNAMIC_SECTION(malformed.name) {
      const fs::path directory = attend::test::write_case(malformed, root);
      reset_peak_rss();
      std::string verdict = "accepted";
      try {
        load(malformed, directory);
      } catch (const Error& error) {
        verdict = error.kind();
        INFO(error.what());
        CHECK(error.category() == ErrorCategory::data);
        CHECK(std::find(malformed.kinds.begin(), malformed.kinds.end(), error.kind()) !=
              malformed.kinds.end());
        CHECK(error.where().find(malformed.where) != std::string::npos);
        CHECK(error.message().size() < 4096);
      }
      CHECK((verdict == "accepted") == (malformed.stage == MalformedStage::accepted));
      CHECK(peak_rss_bytes() < kMemoryLimitBytes);
    }
  }
  fs::remove_all(root);
}

TEST_CASE("The tiny model of the corpus is itself well formed", "[malformed]") {
  const fs::path directory = fs::temp_directory_path() / ("attend_tiny_marian_" + std::to_string(::getpid()));
  attend::test::write_tiny_marian(directory);
  CHECK_NOTHROW(read_marian_config(directory));
  const auto store = open_weights(directory);
  CHECK_NOTHROW(check_finite(*store));
  REQUIRE(store->find("model.shared.weight") != nullptr);
  CHECK(store->find("model.shared.weight")->shape == Shape{16, 8});
  fs::remove_all(directory);
}
