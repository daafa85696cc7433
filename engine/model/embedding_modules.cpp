#include "engine/model/embedding_modules.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::array<std::pair<std::string_view, EmbeddingActivation>, 6> kTorchActivations = {{
    {"Identity", EmbeddingActivation::identity},
    {"Tanh", EmbeddingActivation::tanh},
    {"ReLU", EmbeddingActivation::relu},
    {"GELU", EmbeddingActivation::gelu},
    {"Sigmoid", EmbeddingActivation::sigmoid},
    {"SiLU", EmbeddingActivation::silu},
}};

}  // namespace

EmbeddingActivation parse_torch_activation(std::string_view class_path) {
  const std::string_view name = class_path.substr(class_path.rfind('.') + 1);
  std::string known;
  for (const auto& [torch_name, activation] : kTorchActivations) {
    if (class_path.starts_with("torch.nn.") && name == torch_name) return activation;
    known += (known.empty() ? "" : ", ") + std::string(torch_name);
  }
  throw Error("ACTIVATION_UNSUPPORTED", "activation_function",
              fmt::format("expected a class of torch.nn ({}), found \"{}\"", known, class_path));
}

}  // namespace attend
