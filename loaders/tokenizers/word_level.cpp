#include "loaders/tokenizers/word_level.h"

#include <fmt/format.h>

#include <cstdint>

#include "loaders/files/message_text.h"

namespace attend {

WordLevel::WordLevel(const ComponentReader& component) {
  component.expect_fields({"unk_token", "vocab"});
  unk_token_ = component.text("unk_token");
  vocabulary_ = read_vocabulary(component.object("vocab"), component.where() + ".vocab");
}

void WordLevel::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  std::int32_t id = vocabulary_.find(word);
  if (id < 0) id = vocabulary_.find(unk_token_);
  if (id < 0)
    throw Error("TOK_UNKNOWN_TOKEN", "model.unk_token",
                fmt::format("the word {} is not in the vocabulary, nor is {}", quote_text(word),
                            quote_text(unk_token_)));
  tokens.push_back({id, 0, static_cast<std::uint32_t>(word.size())});
}

}  // namespace attend
