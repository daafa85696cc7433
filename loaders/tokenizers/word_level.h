// Whole words as tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loaders/tokenizers/token_model.h"

namespace attend {

class WordLevel : public TokenModel {
 public:
  explicit WordLevel(const ComponentReader& component);
  void tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;
  std::string_view type() const override { return "WordLevel"; }

 private:
  std::string unk_token_;
};

}  // namespace attend
