#include "loaders/tokenizers/class_defaults.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "loaders/files/file.h"
#include "loaders/files/json.h"

namespace attend {
namespace {

// In the order unk, sep, pad, cls, mask, bos, eos; nullptr: none.
using Tokens = std::array<const char*, 7>;
constexpr std::array<const char*, 7> kRoles{"unk_token",  "sep_token", "pad_token", "cls_token",
                                            "mask_token", "bos_token", "eos_token"};

constexpr Tokens kBert{"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]", nullptr, nullptr};
constexpr Tokens kRoberta{"<unk>", "</s>", "<pad>", "<s>", "<mask>", "<s>", "</s>"};
constexpr Tokens kMpnet{"[UNK]", "</s>", "<pad>", "<s>", "<mask>", "<s>", "</s>"};
constexpr Tokens kAlbert{"<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]", "[CLS]", "[SEP]"};
constexpr Tokens kGemma{"<unk>", nullptr, "<pad>", nullptr, "<mask>", "<bos>", "<eos>"};
constexpr Tokens kDeberta{"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]", "[CLS]", "[SEP]"};

struct ClassTokens {
  std::string_view class_name;  // without "Tokenizer" and "Fast"
  std::string_view model_type;
  const Tokens* tokens;
  bool type_ids = false;  // in the class's model_input_names, as of transformers 5
};
constexpr auto kClasses = std::to_array<ClassTokens>({
    {"Albert", "albert", &kAlbert},
    {"Bert", "bert", &kBert, true},
    {"Camembert", "camembert", &kRoberta},
    {"DebertaV2", "deberta-v2", &kDeberta, true},
    {"DistilBert", "distilbert", &kBert},
    {"Electra", "electra", &kBert, true},
    {"Gemma", "gemma", &kGemma},
    {"Gemma", "gemma2", &kGemma},
    {"MPNet", "mpnet", &kMpnet},
    {"Roberta", "roberta", &kRoberta},
    {"XLMRoberta", "xlm-roberta", &kRoberta},
});

}  // namespace

std::string config_model_type(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  if (!is_there(path)) return {};
  return text_of(*read_json_file(path, config_json_limits()), "model_type");
}

void set_class_defaults(const std::filesystem::path& directory, TokenizerConfig& config) {
  std::string name = config.tokenizer_class;
  for (const std::string_view suffix : {"Fast", "Tokenizer"})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  const std::string type = name.empty() ? config_model_type(directory) : std::string();
  const auto found = std::find_if(kClasses.begin(), kClasses.end(), [&](const ClassTokens& entry) {
    return name.empty() ? entry.model_type == type : entry.class_name == name;
  });
  if (found == kClasses.end()) return;
  if (!config.type_ids) config.type_ids = found->type_ids;
  for (std::size_t i = 0; i < kRoles.size(); ++i) {
    if ((*found->tokens)[i] != nullptr) config.set_default(kRoles[i], (*found->tokens)[i]);
  }
}

}  // namespace attend
