#include <algorithm>
#include <array>

#include "loaders/models/architecture.h"
#include "loaders/models/encoder_head.h"

namespace attend {

ModelDef build_albert(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_deberta_v2(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_distilbert(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_electra(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_modernbert(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_mpnet(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_roberta(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_bert(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_gemma(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_gemma2(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_gpt2(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_llama(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_marian(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_mistral(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_phi3(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_qwen2(const ConfigReader& config, Checkpoint& checkpoint);
ModelDef build_qwen3(const ConfigReader& config, Checkpoint& checkpoint);

namespace {

// Encoders: one line per family, for all of its heads.
constexpr auto kEncoderFamilies = std::to_array<Architecture>({
    {"Albert", build_albert},
    {"Bert", build_bert},
    {"Camembert", build_roberta},
    {"DebertaV2", build_deberta_v2},
    {"DistilBert", build_distilbert},
    {"Electra", build_electra},
    {"ModernBert", build_modernbert},
    {"MPNet", build_mpnet},
    {"Roberta", build_roberta},
    {"XLMRoberta", build_roberta},
});

const std::vector<Architecture>& encoders() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Architecture& family : kEncoderFamilies) {
      for (const std::string_view head : head_names())
        list.push_back(std::string(family.name) + std::string(head));
    }
    return list;
  }();
  static const std::vector<Architecture> list = [] {
    std::vector<Architecture> all;
    for (std::size_t i = 0; i < names.size(); ++i)
      all.push_back({names[i], kEncoderFamilies[i / head_names().size()].build});
    return all;
  }();
  return list;
}

}  // namespace

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> table = [] {
    std::vector<Architecture> all{
        {"Gemma2ForCausalLM", build_gemma2}, {"GemmaForCausalLM", build_gemma},
        {"GPT2LMHeadModel", build_gpt2},     {"LlamaForCausalLM", build_llama},
        {"MarianMTModel", build_marian},     {"MistralForCausalLM", build_mistral},
        {"Phi3ForCausalLM", build_phi3},     {"Qwen2ForCausalLM", build_qwen2},
        {"Qwen3ForCausalLM", build_qwen3},
    };
    all.insert(all.end(), encoders().begin(), encoders().end());
    return all;
  }();
  return table;
}

const Architecture* find_architecture(std::string_view name) {
  const auto table = architectures();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Architecture& a) { return a.name == name; });
  return found == table.end() ? nullptr : &*found;
}

Act read_activation(const ConfigReader& config, const ConfigKey& key, const std::string& fallback) {
  struct Named {
    const char* name;
    Act act;
  };
  static constexpr auto kNames = std::to_array<Named>({
      {"relu", Act::relu},
      {"gelu", Act::gelu},
      {"gelu_new", Act::gelu_tanh},
      {"gelu_fast", Act::gelu_tanh},
      {"gelu_pytorch_tanh", Act::gelu_tanh},
      {"silu", Act::silu},
      {"swish", Act::silu},
      {"tanh", Act::tanh},
      {"quick_gelu", Act::quick_gelu},
  });
  std::vector<std::string> accepted;
  for (const Named& named : kNames) accepted.emplace_back(named.name);
  const std::string name = config.optional_choice(key, fallback, accepted);
  return std::find_if(kNames.begin(), kNames.end(), [&](const Named& n) { return n.name == name; })->act;
}

}  // namespace attend
