#include "loaders/tokenizers/sentencepiece_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/json.h"

namespace attend {
namespace {

struct FamilyName {
  std::string_view name;
  SentencePieceFamily family;
};
constexpr std::array<FamilyName, 10> kClasses{{{"LlamaTokenizer", SentencePieceFamily::llama},
                                               {"CodeLlamaTokenizer", SentencePieceFamily::llama},
                                               {"GemmaTokenizer", SentencePieceFamily::gemma},
                                               {"T5Tokenizer", SentencePieceFamily::t5},
                                               {"XLMRobertaTokenizer", SentencePieceFamily::xlm_roberta},
                                               {"MBartTokenizer", SentencePieceFamily::mbart},
                                               {"PreTrainedTokenizer", SentencePieceFamily::generic},
                                               {"TokenizersBackend", SentencePieceFamily::generic},
                                               {"PythonBackend", SentencePieceFamily::generic},
                                               {"", SentencePieceFamily::generic}}};
// Model types whose class is used where no file names one.
constexpr std::array<FamilyName, 13> kModelTypes{{{"gemma", SentencePieceFamily::gemma},
                                                  {"gemma2", SentencePieceFamily::gemma},
                                                  {"gemma3", SentencePieceFamily::gemma},
                                                  {"gemma3_text", SentencePieceFamily::gemma},
                                                  {"gemma3n", SentencePieceFamily::gemma},
                                                  {"recurrent_gemma", SentencePieceFamily::gemma},
                                                  {"t5gemma", SentencePieceFamily::gemma},
                                                  {"t5", SentencePieceFamily::t5},
                                                  {"mt5", SentencePieceFamily::t5},
                                                  {"switch_transformers", SentencePieceFamily::t5},
                                                  {"xlm-roberta", SentencePieceFamily::xlm_roberta},
                                                  {"xmod", SentencePieceFamily::xlm_roberta},
                                                  {"mbart", SentencePieceFamily::mbart}}};
// Model types whose published tokenizer_class transformers 5 overrules with the general one.
constexpr std::array<std::string_view, 29> kOverruled{
    "arctic",   "fuyu",     "h2ovl_chat", "internlm2", "internlm3",     "jamba",    "llava",     "llava_next",
    "minicpm3", "minicpmv", "minimax_m2", "nemotron",  "openvla",       "phi3",     "phi3_v",    "phimoe",
    "vipllava", "stablelm", "granite",    "persimmon", "mistral",       "mistral3", "ministral", "mixtral",
    "pixtral",  "umt5",     "olmo2",      "aria",      "xlm-roberta-xl"};

template <std::size_t size>
std::optional<SentencePieceFamily> find_family(const std::array<FamilyName, size>& names,
                                               std::string_view name) {
  const auto* found =
      std::find_if(names.begin(), names.end(), [&](const FamilyName& f) { return f.name == name; });
  return found == names.end() ? std::nullopt : std::optional(found->family);
}

}  // namespace

SentencePieceFamily sentencepiece_family(const std::filesystem::path& directory,
                                         const TokenizerConfig& config) {
  std::string model_type;
  std::string name = config.tokenizer_class;
  if (const auto path = directory / "config.json"; is_there(path)) {
    const JsonDocument model = read_json_file(path, config_json_limits());
    model_type = text_of(*model, "model_type");
    if (name.empty()) name = text_of(*model, "tokenizer_class");
  }
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (std::find(kOverruled.begin(), kOverruled.end(), model_type) != kOverruled.end())
    return SentencePieceFamily::generic;
  if (name.empty()) return find_family(kModelTypes, model_type).value_or(SentencePieceFamily::generic);
  if (const auto family = find_family(kClasses, name)) return *family;
  throw Error(
      "TOK_CLASS_UNSUPPORTED", (directory / "tokenizer_config.json").string(),
      fmt::format(
          "there is no tokenizer.json, and a SentencePiece model cannot be read by the tokenizer class {}; "
          "save the tokenizer with transformers to get a tokenizer.json",
          name));
}

}  // namespace attend
