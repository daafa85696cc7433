#include "loaders/tokenizers/load_tokenizer.h"

#include "loaders/files/file.h"
#include "loaders/tokenizers/deberta_class.h"
#include "loaders/tokenizers/marian_tokenizer.h"
#include "loaders/tokenizers/sentencepiece_tokenizer.h"
#include "loaders/tokenizers/tokenizer_json.h"

namespace attend {

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory) {
  const auto present = [&](const char* name) { return is_there(directory / name); };
  if (present("source.spm") && present("vocab.json")) return MarianTokenizer::load(directory);
  if (has_tokenizer_json(directory)) return load_tokenizer_json(directory);
  if (is_deberta_class(directory)) return load_deberta_tokenizer(directory);
  if (has_sentencepiece_model(directory)) return load_sentencepiece_tokenizer(directory);
  return nullptr;
}

}  // namespace attend
