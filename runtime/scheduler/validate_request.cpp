#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "attend/error.h"
#include "runtime/generation/validate.h"
#include "runtime/scheduler/scheduler.h"

namespace attend {
namespace {

void check_ids(std::span<const std::int32_t> ids, std::int64_t limit, const char* what) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < limit) continue;
    throw Error("TOKEN_ID_RANGE", what,
                fmt::format("id {} at index {} is outside the model's range [0, {}]", ids[i], i, limit - 1));
  }
}

}  // namespace

LengthLimits length_limits(const ModelDef& def, const ScheduledRequest& request) {
  LengthLimits limits;
  limits.prompt_length = static_cast<std::int32_t>(request.input_ids.size());
  if (request.mode != ScheduledRequest::Mode::generate) return limits;
  const bool has_encoder = def.graph("encoder") != nullptr;
  if (has_encoder && !request.config.decoder_start_token_id && !request.config.bos_token_id) {
    throw Error("GEN_START_MISSING", "decoder_start_token_id",
                "the checkpoint names neither decoder_start_token_id nor bos_token_id: there is nothing to "
                "start from");
  }
  const std::int64_t prompt = has_encoder ? 1 : limits.prompt_length;
  const std::int64_t limit = has_encoder ? def.max_target_positions : def.max_positions;
  return resolve_length_limits(request.config, prompt, limit > 0 ? std::optional(limit) : std::nullopt);
}

void validate_request(const ModelDef& def, const ScheduledRequest& request) {
  if (request.input_ids.empty()) {
    throw Error("INPUT_EMPTY", "input", "the input has no tokens; at least one is needed");
  }
  check_ids(request.input_ids, def.vocab_size, "input ids");
  if (!request.token_types.empty() && request.token_types.size() != request.input_ids.size()) {
    throw Error("INPUT_TYPES", "token type ids",
                fmt::format("expected one per input id ({}), found {}", request.input_ids.size(),
                            request.token_types.size()));
  }
  if (def.token_types > 0) check_ids(request.token_types, def.token_types, "token type ids");
  const auto length = static_cast<std::int64_t>(request.input_ids.size());
  if (def.max_positions > 0 && length > def.max_positions) {
    throw Error("INPUT_TOO_LONG", "input",
                fmt::format("the input has {} tokens, the model takes at most {} (max_position_embeddings); "
                            "shorten or split it",
                            length, def.max_positions));
  }
  for (std::size_t i = 0; i < request.sampled_rows.size(); ++i) {
    const std::int32_t row = request.sampled_rows[i];
    if (row >= 0 && row < length && (i == 0 || row > request.sampled_rows[i - 1])) continue;
    throw internal_error("sampled rows", fmt::format("row {} of {} is out of order or range", row, length));
  }
  if (request.mode == ScheduledRequest::Mode::encode) return;
  if (request.mode == ScheduledRequest::Mode::score) {
    if (def.family != Family::decoder) {
      throw Error("TASK_UNSUPPORTED", def.architecture, "only decoder-only models score a text");
    }
    if (length < 2) {
      throw Error("INPUT_TOO_SHORT", "input",
                  "scoring needs at least two tokens: the first has nothing before it");
    }
    return;
  }
  if (request.mode == ScheduledRequest::Mode::observe) {
    check_ids(request.decoder_ids, def.target_vocab_size, "decoder ids");
    const auto tokens = static_cast<std::int64_t>(request.decoder_ids.size());
    if (def.max_target_positions > 0 && tokens > def.max_target_positions) {
      throw Error("TARGET_TOO_LONG", "target",
                  fmt::format("the target has {} tokens, the decoder takes at most {}; shorten it", tokens,
                              def.max_target_positions));
    }
    return;
  }
  if (def.graph("decoder") == nullptr) {
    throw Error("TASK_UNSUPPORTED", def.architecture, "this model does not generate text");
  }
  validate(request.config, def.target_vocab_size);
}

}  // namespace attend
