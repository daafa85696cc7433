// Pre-tokenizers: how the normalized text is cut into the words that the model sees.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loaders/tokenizers/component_reader.h"
#include "loaders/tokenizers/pre_tokenized.h"
#include "loaders/tokenizers/regex.h"

namespace attend {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void pre_tokenize(PreTokenized& text) const = 0;
};

// Sequence, ByteLevel, Metaspace, Split, Whitespace, WhitespaceSplit, Punctuation, Digits, BertPreTokenizer,
// UnicodeScripts, CharDelimiterSplit, FixedLength. `names` collects the types. Errors:
// TOK_COMPONENT_UNSUPPORTED, TOK_COMPONENT_PARAM, TOK_REGEX_*.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const ComponentReader& component,
                                                 std::vector<std::string>& names);

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts);
std::unique_ptr<PreTokenizer> make_split_pre_tokenizer(Regex regex, SplitBehavior behavior);
std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer();
std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex);

// The fields that Metaspace has as a pre-tokenizer and as a decoder.
struct MetaspaceOptions {
  enum class Prepend : std::uint8_t { first, never, always };
  char32_t replacement = 0x2581;
  Prepend prepend = Prepend::always;
  bool split = true;
};
MetaspaceOptions read_metaspace(const ComponentReader& component);

}  // namespace attend
