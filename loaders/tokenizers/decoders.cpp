#include "loaders/tokenizers/decoders.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loaders/tokenizers/normalized_string.h"
#include "loaders/tokenizers/pre_tokenizers.h"
#include "loaders/tokenizers/regex.h"
#include "loaders/tokenizers/utf8.h"

namespace attend {
namespace {

constexpr std::uint64_t kMaxStrip = 65536;
constexpr std::size_t kMaxTokenBytes = 4U << 20U;  // of one token, whatever replacements make of it

// Replaces every occurrence, from the left; an empty `from` is found around every character.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) {
    out = to;
    for_each_code_point(text, [&](char32_t c, std::size_t) {
      append_utf8(out, c);
      out += to;
    });
    return out;
  }
  std::size_t done = 0;
  for (std::size_t at = 0; (at = text.find(from, done)) != std::string_view::npos; done = at + from.size()) {
    out.append(text, done, at - done);
    out += to;
  }
  return out.append(text, done);
}

// Spaces before punctuation and contractions, in this order.
std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules)
    if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
  return text;
}

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> parts) : parts_(std::move(parts)) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (const auto& part : parts_) tokens = part->decode(std::move(tokens));
    return tokens;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

// A token with a character that stands for no byte is taken as it is.
class ByteLevelDecoder : public Decoder {
 public:
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      const std::size_t begin = bytes.size();
      bool known = true;
      for_each_code_point(token, [&](char32_t c, std::size_t) {
        const int byte = byte_level_byte(c);
        known = known && byte >= 0;
        bytes.push_back(static_cast<char>(byte));
      });
      if (known) continue;
      bytes.resize(begin);
      bytes += token;
    }
    return {to_valid_utf8(bytes)};
  }
};

class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(const MetaspaceOptions& options) : options_(options) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool drop = i == 0 && options_.prepend != MetaspaceOptions::Prepend::never;
      std::string out;
      for_each_code_point(tokens[i], [&](char32_t c, std::size_t) {
        if (c != options_.replacement)
          append_utf8(out, c);
        else if (!drop)
          out.push_back(' ');
      });
      tokens[i] = std::move(out);
    }
    return tokens;
  }

 private:
  MetaspaceOptions options_;
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string_view prefix, bool cleanup) : prefix_(prefix), cleanup_(cleanup) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i != 0) {
        if (token.starts_with(prefix_))
          token.erase(0, prefix_.size());
        else
          token.insert(token.begin(), ' ');
      }
      if (cleanup_) token = clean_up(std::move(token));
    }
    return tokens;
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string_view suffix) : suffix_(suffix) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    return tokens;
  }

 private:
  std::string suffix_;
};

// Repeated tokens count once; the pad token separates repetitions that are meant (Graves et al. 2006).
class CtcDecoder : public Decoder {
 public:
  CtcDecoder(std::string_view pad, std::string_view delimiter, bool cleanup)
      : pad_(pad), delimiter_(delimiter), cleanup_(cleanup) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    std::vector<std::string> out;
    for (const std::string& token : tokens) {
      std::string text = replace_all(token, pad_, "");
      if (cleanup_) text = replace_all(clean_up(std::move(text)), delimiter_, " ");
      if (!text.empty()) out.push_back(std::move(text));
    }
    return out;
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

// Runs of <0xNN> become text if their bytes are UTF-8, otherwise each becomes U+FFFD.
class ByteFallbackDecoder : public Decoder {
 public:
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (to_valid_utf8(bytes) == bytes) {
        if (!bytes.empty()) out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      const int byte = byte_of(token);
      if (byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    return out;
  }

 private:
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
    int value = 0;
    for (const std::size_t i : {std::size_t{3}, std::size_t{4}}) {
      const char c = token[i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c == '+' && i == 3   ? 0
                                               : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }
};

class FuseDecoder : public Decoder {
 public:
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    return {all};
  }
};

// Removes up to `start` and `stop` copies of a character from the ends of each token.
class StripDecoder : public Decoder {
 public:
  StripDecoder(char32_t content, std::uint64_t start, std::uint64_t stop) : start_(start), stop_(stop) {
    append_utf8(content_, content);
  }
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::string& token : tokens) {
      std::string_view text = token;
      for (std::uint64_t i = 0; i < start_ && text.starts_with(content_); ++i)
        text.remove_prefix(content_.size());
      for (std::uint64_t i = 0; i < stop_ && text.ends_with(content_); ++i)
        text.remove_suffix(content_.size());
      token = std::string(text);
    }
    return tokens;
  }

 private:
  std::string content_;
  std::uint64_t start_, stop_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(Regex regex, std::string_view content) : regex_(std::move(regex)), content_(content) {}
  std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    RegexMatcher matcher(regex_);
    std::vector<MatchSpan> spans;
    for (std::string& token : tokens) {
      matcher.find_all(token, spans);
      std::string out;
      for (const MatchSpan& span : spans) {
        if (span.matched)
          out += content_;
        else
          out.append(token, span.begin, span.end - span.begin);
        if (out.size() > std::max(kMaxTokenBytes, token.size()))
          throw Error(
              "TOK_LIMIT", "decoder",
              fmt::format("a token of {} bytes would become more than {}: the tokenizer's replacements "
                          "are too long",
                          token.size(), kMaxTokenBytes));
      }
      token = std::move(out);
    }
    return tokens;
  }

 private:
  Regex regex_;
  std::string content_;
};

std::unique_ptr<Decoder> make_replace(const ComponentReader& component) {
  component.expect_fields({"pattern", "content"});
  const ComponentReader::Pattern pattern = component.pattern();
  const std::string where = component.where() + ".pattern";
  return std::make_unique<ReplaceDecoder>(
      pattern.is_regex ? Regex::compile(pattern.text, where) : Regex::literal(pattern.text, where),
      component.text("content"));
}

}  // namespace

std::unique_ptr<Decoder> make_byte_level_decoder() {
  return std::make_unique<ByteLevelDecoder>();
}

std::unique_ptr<Decoder> make_word_piece_decoder(std::string_view prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(prefix, cleanup);
}

std::unique_ptr<Decoder> make_decoder(const ComponentReader& component, std::vector<std::string>& names) {
  const std::string_view type = component.type();
  component.add_name(names);
  if (type == "Sequence") {
    component.expect_fields({"decoders"});
    std::vector<std::unique_ptr<Decoder>> parts;
    for (const ComponentReader& child : component.children("decoders"))
      parts.push_back(make_decoder(child, names));
    return std::make_unique<DecoderSequence>(std::move(parts));
  }
  if (type == "ByteLevel") {
    component.expect_fields({"add_prefix_space", "trim_offsets", "use_regex"});
    return make_byte_level_decoder();
  }
  if (type == "Metaspace") return std::make_unique<MetaspaceDecoder>(read_metaspace(component));
  if (type == "WordPiece") {
    component.expect_fields({"prefix", "cleanup"});
    return make_word_piece_decoder(component.text("prefix"), component.boolean("cleanup"));
  }
  if (type == "BPEDecoder") {
    component.expect_fields({"suffix"});
    return std::make_unique<BpeDecoder>(component.text("suffix"));
  }
  if (type == "CTC") {
    component.expect_fields({"pad_token", "word_delimiter_token", "cleanup"});
    return std::make_unique<CtcDecoder>(component.text("pad_token"), component.text("word_delimiter_token"),
                                        component.boolean("cleanup"));
  }
  if (type == "Strip") {
    component.expect_fields({"content", "start", "stop"});
    return std::make_unique<StripDecoder>(component.character("content"),
                                          component.integer("start", kMaxStrip),
                                          component.integer("stop", kMaxStrip));
  }
  if (type == "Replace") return make_replace(component);
  if (type != "ByteFallback" && type != "Fuse") throw component.unknown_type("decoder");
  component.expect_fields({});
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  return std::make_unique<ByteFallbackDecoder>();
}

}  // namespace attend
