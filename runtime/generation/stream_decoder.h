// Text of a growing sequence of tokens, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "attend/tokenizer.h"

namespace attend {

// The pieces that push() and finish() return, joined, are tokenizer.decode() of all ids. A piece is returned
// once later tokens cannot change it: incomplete UTF-8 is held back, and so are runs of byte tokens (<0x0A>)
// and spaces that the tokenizer may still take away. Every push decodes a bounded window, so that long texts
// cost linear time.
class StreamDecoder {
 public:
  // `tokenizer` must outlive this object.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);

  // The piece of text that is certain now, often that of `id`, sometimes empty.
  std::string push(std::int32_t id);
  // What was held back, at the end of the sequence.
  std::string finish();

 private:
  std::string take(const std::string& text, std::size_t end);
  void shorten_window(const std::string& text);

  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::vector<std::int32_t> window_;  // the last tokens
  std::size_t emitted_ = 0;           // bytes of the window's text that were returned
  std::size_t shorten_at_;            // window size at which to try to drop tokens
};

}  // namespace attend
