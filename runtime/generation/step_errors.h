// The errors of a decoding step.
#pragma once

#include "attend/error.h"

namespace attend {

inline Error nonfinite_logits() {
  return Error("NONFINITE_LOGITS", "logits",
               "the model's logits hold NaN or infinity, so no token can be chosen: check its weights for "
               "such values, or set remove_invalid_values");
}

inline Error no_token_left() {
  return usage_error(
      "NO_TOKEN_LEFT", "generation options",
      "the rules on tokens (bad words, suppressed and repeated tokens, minimum length) forbid every "
      "token of the vocabulary: relax one of them");
}

}  // namespace attend
