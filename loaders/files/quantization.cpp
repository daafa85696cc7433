#include "loaders/files/quantization.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "loaders/files/json.h"

namespace attend {
namespace {

constexpr const char* kMethod = "attend";
constexpr std::int64_t kVersion = 1;

// The only value that each of these keys has.
constexpr auto kKinds = std::to_array<std::pair<const char*, const char*>>({
    {"weights", "int8"},
    {"granularity", "output"},
    {"scales", "{tensor}_scale"},
    {"activations", "dynamic"},
});

}  // namespace

nlohmann::ordered_json quantization_config() {
  nlohmann::ordered_json block;
  block["quant_method"] = kMethod;
  block["version"] = kVersion;
  for (const auto& [key, value] : kKinds) block[key] = value;
  return block;
}

bool read_quantization(const ConfigReader& config) {
  const JsonValue* value = config.find(kQuantizationKey);
  if (value == nullptr) return false;
  const JsonValue* method = value->is_object() ? value->find("quant_method") : nullptr;
  if (method == nullptr || method->to_string() != kMethod) {
    config.refuse(
        "CFG_QUANTIZATION", std::string(kQuantizationKey) + ".quant_method",
        fmt::format("this checkpoint is quantised by {}, which attend does not read; it reads weights "
                    "in f32, f16 and bf16, and what `attend quantize` has made of those",
                    method == nullptr ? "a method that it does not name" : method->describe()));
    return false;
  }
  const std::size_t before = config.issues().size();
  const auto block = config.optional_object(kQuantizationKey);
  block->optional_string("quant_method");
  block->required_int("version", {kVersion, kVersion});
  for (const auto& [key, only] : kKinds) block->required_choice(key, {only}, "CFG_QUANTIZATION");
  return config.issues().size() == before;
}

}  // namespace attend
