// Post-processors: special tokens around the texts, type ids, trimmed offsets.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "attend/tokenizer.h"
#include "loaders/tokenizers/component_reader.h"

namespace attend {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // Tokens that are added to one text, or to a pair.
  virtual std::size_t added_tokens(bool pair) const = 0;
  // Changes the parts that will be joined; at first one for each text.
  virtual void process(std::vector<Encoding>& parts, bool add_special_tokens) const = 0;
};

// TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence. `names` collects the types.
// Errors: TOK_COMPONENT_UNSUPPORTED, TOK_COMPONENT_PARAM, TOK_ID_RANGE.
std::unique_ptr<PostProcessor> make_post_processor(const ComponentReader& component,
                                                   std::vector<std::string>& names);

struct SpecialToken {
  std::string token;
  std::int32_t id = 0;
};
std::unique_ptr<PostProcessor> make_bert_processing(SpecialToken cls, SpecialToken sep);
std::unique_ptr<PostProcessor> make_roberta_processing(SpecialToken cls, SpecialToken sep, bool trim_offsets,
                                                       bool add_prefix_space);
std::unique_ptr<PostProcessor> make_byte_level_processing(bool add_prefix_space, bool trim_offsets);
// bos A eos, and bos A eos bos B eos for a pair, with type id 1 from the second bos on; each is left out when
// null.
std::unique_ptr<PostProcessor> make_bos_eos_processing(const SpecialToken* bos, const SpecialToken* eos);

}  // namespace attend
