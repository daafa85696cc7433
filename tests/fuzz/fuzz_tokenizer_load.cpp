// tokenizer.json from any bytes: a typed error, or a tokenizer that encodes and decodes. Seeds:
// tokenizer.json files.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "attend/error.h"
#include "loaders/tokenizers/tokenizer_json.h"
#include "loaders/tokenizers/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = attend::parse_tokenizer_json(bytes, "fuzz");
    std::string text =
        "Hello, w\xC3\xB6rld e\xCC\x81 \xE4\xBD\xA0\xE5\xA5\xBD 123  <s>\n\t\xF0\x9F\x98\x80 it's";
    // The tail of the input as text, so that mutations reach the matching as well.
    text += attend::to_valid_utf8(bytes.substr(size - std::min<std::size_t>(size, 64)));
    const auto stored = tokenizer->stored_truncation();
    for (const bool truncated : {false, true}) {
      attend::EncodeOptions options;
      options.pair = "second text";
      if (truncated) options.truncation = stored;
      const attend::Encoding encoding = tokenizer->encode(text, options);
      if (encoding.tokens.size() != encoding.ids.size() || encoding.offsets.size() != encoding.ids.size())
        std::abort();
      // Templates may add ids that no vocabulary has.
      const auto known = [&](std::int32_t id) { return id >= 0 && id < tokenizer->vocab_size(); };
      if (std::all_of(encoding.ids.begin(), encoding.ids.end(), known)) tokenizer->decode(encoding.ids);
    }
  } catch (const attend::Error&) {
  }
  return 0;
}
