// What attention heads look at: weights of any layer and head, queries of one's own, word alignments.
//
//   attend::AttentionResult seen = model.attention({.input = {.text = "I eat an apple."}});
//   seen.maps[1].weights;                     // layer 1: [heads, queries, keys]
//   attend::align_words(seen);                // for translations: which word stands for which
//
// H heads, Q queries, K keys, D width of the layer, d width of a head.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "attend/generation_config.h"
#include "attend/task.h"
#include "attend/tensor.h"

namespace attend {

// Self-attention of the encoder, of the decoder, or the decoder's attention over the encoder's output.
enum class AttentionKind : std::uint8_t { encoder, decoder, cross };

// "encoder", "decoder", "cross"
std::string_view to_string(AttentionKind kind);
// Throws a usage Error (ATTENTION_KIND) that lists them.
AttentionKind parse_attention_kind(std::string_view name);

// The attention layers of one kind that a model has.
struct AttentionLayers {
  AttentionKind kind = AttentionKind::encoder;
  std::vector<std::int64_t> heads;  // of each layer
};

// Multiplies what one head adds to the layer's output; 0 takes the head out.
struct HeadScale {
  // Unset: as AttentionRequest::kind; there and in a Request cross-attention, else the one kind there is.
  std::optional<AttentionKind> kind{};
  std::int64_t layer = 0;
  std::int64_t head = 0;
  float scale = 0.0F;
};

// Queries of one's own over the keys and values that a layer makes of the input. One of `vectors` and `text`.
struct AttentionQuery {
  // [N, D] or [D]: hidden states, which the layer's query projection is applied to. [N, d] or [d]: queries of
  // a single head as they enter its dot product (after projection, normalisation and rotation), unscaled; the
  // request must then name that head.
  Tensor vectors{};
  // Its own hidden states at that layer ask: for cross-attention the decoder's, when it writes this text for
  // the input; for the self-attention of an encoder, or of a decoder-only model, those of the text by itself.
  std::optional<std::string> text{};
  // Where in the input the queries stand, for layers whose scores know positions; unset: at its last token. A
  // decoder-only model sees no token behind it.
  std::optional<std::int64_t> position{};
};

struct AttentionRequest {
  Input input{};
  // Unset: cross-attention where the model has it, else the one kind there is.
  std::optional<AttentionKind> kind{};
  std::vector<std::int64_t> layers{};  // from 0; empty: all
  std::vector<std::int64_t> heads{};   // from 0; empty: all
  // Of encoder-decoder models: how the sequence is generated that the decoder's maps are about; the
  // checkpoint's defaults when not given. The best sequence counts.
  std::optional<GenerationConfig> generation{};
  // That sequence itself, as text (or ids, the end token included): nothing is generated then.
  std::optional<Input> target{};
  std::optional<AttentionQuery> query{};
  std::vector<HeadScale> head_scales{};
  std::stop_token stop{};  // cancels
};

struct AttentionToken {
  std::int32_t id = 0;
  std::string token;  // as the vocabulary spells it; empty without a tokenizer
  // The part of the text that it stands for, in code points; empty (start == end) for tokens that were added.
  std::int32_t start = 0, end = 0;
  bool special = false;
};

struct AttentionMap {
  std::int64_t layer = 0;
  std::vector<std::int64_t> heads;
  Tensor weights;  // [H, Q, K]: rows sum to 1; 0 where a query sees no key
  Tensor values;   // [H, Q, d]: what custom queries got; empty otherwise
};

// Rows and columns by kind:
//   encoder            the input's tokens, both
//   decoder            of decoder-only models: the prompt's tokens, both (behind them the target, when given)
//                      of encoder-decoder models: row i is the step that produced output token i, column j
//                      what the decoder read at step j (the start token, then output token j - 1); j <= i
//   cross              row i is the step that produced output token i, columns are the input's tokens
// With a query of one's own the rows are its vectors (no tokens then) or its text's tokens.
struct AttentionResult {
  AttentionKind kind = AttentionKind::encoder;
  std::vector<AttentionMap> maps;  // in the order of the layers
  std::vector<AttentionToken> queries, keys;
  std::string query_text, key_text;  // what their spans refer to; empty without a tokenizer
  // Of encoder-decoder models: the sequence that was generated or given, and its score with beams.
  std::vector<std::int32_t> output_ids;
  std::optional<double> score;
};

// A head, and how it was judged.
struct AlignmentHead {
  std::int64_t layer = 0, head = 0;
  double score = 0.0;
};

struct AlignedWord {
  std::string text;
  std::int32_t start = 0, end = 0;  // in code points
};

struct WordLink {
  std::size_t source = 0, target = 0;  // indices of words
  double weight = 0.0;                 // of the source word in the target word's attention, 0 to 1
};

struct WordAlignment {
  std::vector<AlignedWord> source, target;
  std::vector<WordLink> links;  // by target, then source
  std::vector<AlignmentHead> heads;
};

// Hard word alignment (Koehn et al. 2005; from attention: Chen et al. 2020, arXiv:2004.14837) of a
// cross-attention result with tokens: see runtime/attention/word_alignment.h for how. With `all_heads` every
// head of the result counts, instead of those that suit. Throws Error ALIGNMENT_KIND for another kind and
// TOKENIZER_MISSING.
WordAlignment align_words(const AttentionResult& result, bool all_heads = false);

}  // namespace attend
