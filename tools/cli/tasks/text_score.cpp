// --score: {"token_logprobs", "score", "perplexity", "input_ids", "timing"}
#include <fmt/format.h>

#include "tools/cli/tasks/task_output.h"

namespace attend::cli {
namespace {

std::vector<nlohmann::ordered_json> json(const Result& result, const OutputContext&) {
  const TextScore& scored = result.scored.value();
  return {{{"token_logprobs", scored.token_logprobs},
           {"score", scored.score},
           {"perplexity", scored.perplexity},
           {"input_ids", scored.ids},
           {"timing", timing_json(result.timing)}}};
}

std::vector<std::string> text(const Result& result, const OutputContext&) {
  const TextScore& scored = result.scored.value();
  return {fmt::format("perplexity {:.6g}, score {:.6f}, {} tokens", scored.perplexity, scored.score,
                      scored.token_logprobs.size())};
}

}  // namespace

const TaskOutput kTextScoreOutput = {"text-generation", json, text};

}  // namespace attend::cli
