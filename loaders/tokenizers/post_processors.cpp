#include "loaders/tokenizers/post_processors.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "loaders/files/message_text.h"
#include "loaders/tokenizers/encoding_parts.h"
#include "loaders/tokenizers/normalized_string.h"
#include "loaders/tokenizers/unicode.h"
#include "loaders/tokenizers/vocabulary.h"

namespace attend {
namespace {

// Moves offsets past white space at both ends of a token, but not past a space that was only added.
void trim_offsets(Encoding& encoding, bool add_prefix_space) {
  const char32_t byte_level_space = byte_level_character(' ');
  for (std::size_t i = 0; i < encoding.offsets.size(); ++i) {
    std::int32_t leading = 0, trailing = 0, count = 0;
    for_each_code_point(encoding.tokens[i], [&](char32_t c, std::size_t) {
      const bool space = c == byte_level_space || is_whitespace(c);
      leading += space && leading == count;
      trailing = space ? trailing + 1 : 0;
      ++count;
    });
    auto& [begin, end] = encoding.offsets[i];
    if (leading > 0) {
      const bool first = i == 0 || begin == 0;
      if (first && add_prefix_space && leading == 1) leading = 0;
      begin = std::min(begin + leading, end);
    }
    if (trailing > 0 && end >= trailing) end = std::max(end - trailing, begin);
  }
}

void trim_all_offsets(std::vector<Encoding>& parts, bool add_prefix_space) {
  for (Encoding& part : parts) {
    trim_offsets(part, add_prefix_space);
    for (Encoding& window : part.overflowing) trim_offsets(window, add_prefix_space);
  }
}

bool is_ids_only(const Encoding& encoding) {
  return encoding.tokens.size() != encoding.ids.size();
}

// Puts special tokens around the encoding and each of its windows. What an earlier processor added counts as
// text then, as in the reference.
void surround(Encoding& encoding, const SpecialToken* before, const SpecialToken& after,
              std::int32_t type_id) {
  const auto apply = [&](Encoding& window) {
    const bool ids_only = is_ids_only(window);
    std::fill(window.special_tokens_mask.begin(), window.special_tokens_mask.end(), 0);
    Encoding out;
    if (before != nullptr) out = special_encoding(before->id, before->token, type_id, ids_only);
    append_encoding(out, window);
    append_encoding(out, special_encoding(after.id, after.token, type_id, ids_only));
    std::fill(out.attention_mask.begin(), out.attention_mask.end(), 1);
    window = std::move(out);
  };
  std::vector<Encoding> windows = std::exchange(encoding.overflowing, {});
  for (Encoding& window : windows) apply(window);
  apply(encoding);
  encoding.overflowing = std::move(windows);
}

class PostProcessorSequence : public PostProcessor {
 public:
  explicit PostProcessorSequence(std::vector<std::unique_ptr<PostProcessor>> parts)
      : parts_(std::move(parts)) {}
  std::size_t added_tokens(bool pair) const override {
    std::size_t count = 0;
    for (const auto& part : parts_) count += part->added_tokens(pair);
    return count;
  }
  void process(std::vector<Encoding>& encodings, bool add_special_tokens) const override {
    for (const auto& part : parts_) part->process(encodings, add_special_tokens);
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

class ByteLevelProcessing : public PostProcessor {
 public:
  ByteLevelProcessing(bool add_prefix_space, bool trim) : add_prefix_space_(add_prefix_space), trim_(trim) {}
  std::size_t added_tokens(bool) const override { return 0; }
  void process(std::vector<Encoding>& parts, bool) const override {
    if (trim_) trim_all_offsets(parts, add_prefix_space_);
    for (std::size_t i = 0; i < parts.size(); ++i)
      std::fill(parts[i].sequence_ids.begin(), parts[i].sequence_ids.end(), static_cast<std::int32_t>(i));
  }

 private:
  bool add_prefix_space_, trim_;
};

// [CLS] A [SEP] B [SEP], type ids 0 and 1.
class BertProcessing : public PostProcessor {
 public:
  BertProcessing(SpecialToken cls, SpecialToken sep) : cls_(std::move(cls)), sep_(std::move(sep)) {}
  std::size_t added_tokens(bool pair) const override { return pair ? 3 : 2; }
  void process(std::vector<Encoding>& parts, bool add_special_tokens) const override {
    if (!add_special_tokens) return;
    for (std::size_t i = 0; i < parts.size(); ++i)
      surround(parts[i], i == 0 ? &cls_ : nullptr, sep_, i == 0 ? 0 : 1);
  }

 private:
  SpecialToken cls_, sep_;
};

// <s> A </s> </s> B </s>, type ids 0 everywhere.
class RobertaProcessing : public PostProcessor {
 public:
  RobertaProcessing(SpecialToken cls, SpecialToken sep, bool trim, bool add_prefix_space)
      : cls_(std::move(cls)), sep_(std::move(sep)), trim_(trim), add_prefix_space_(add_prefix_space) {}
  std::size_t added_tokens(bool pair) const override { return pair ? 4 : 2; }
  void process(std::vector<Encoding>& parts, bool add_special_tokens) const override {
    if (trim_) trim_all_offsets(parts, add_prefix_space_);
    for (Encoding& part : parts) std::fill(part.type_ids.begin(), part.type_ids.end(), 0);
    if (!add_special_tokens) return;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      surround(parts[i], i == 0 ? &cls_ : &sep_, sep_, 0);
      for (Encoding& window : parts[i].overflowing)
        std::fill(window.type_ids.begin(), window.type_ids.end(), 0);
    }
  }

 private:
  SpecialToken cls_, sep_;
  bool trim_, add_prefix_space_;
};

class TemplateProcessing : public PostProcessor {
 public:
  struct Part {
    int sequence = -1;  // 0 = A, 1 = B, -1 = special tokens
    std::vector<SpecialToken> special;
    std::int32_t type_id = 0;
  };
  using Template = std::vector<Part>;

  TemplateProcessing(Template single, Template pair) : single_(std::move(single)), pair_(std::move(pair)) {}

  std::size_t added_tokens(bool pair) const override {
    std::size_t count = 0;
    for (const Part& part : pair ? pair_ : single_) count += part.special.size();
    return count;
  }

  void process(std::vector<Encoding>& parts, bool add_special_tokens) const override {
    const bool ids_only = std::any_of(parts.begin(), parts.end(), is_ids_only);
    std::vector<Encoding> out;
    for (const Part& part : parts.size() == 2 ? pair_ : single_) {
      if (part.sequence >= 0) {
        Encoding& encoding = parts[static_cast<std::size_t>(part.sequence)];
        std::fill(encoding.type_ids.begin(), encoding.type_ids.end(), part.type_id);
        std::fill(encoding.sequence_ids.begin(), encoding.sequence_ids.end(), part.sequence);
        out.push_back(encoding);
      } else if (add_special_tokens) {
        Encoding special;
        for (const SpecialToken& token : part.special)
          append_encoding(special, special_encoding(token.id, token.token, part.type_id, ids_only));
        out.push_back(std::move(special));
      }
    }
    parts = std::move(out);
  }

 private:
  Template single_, pair_;
};

SpecialToken read_token_pair(const ComponentReader& component, std::string_view key) {
  const auto parts = component.array(key).elements();
  const auto token = parts.size() == 2 ? parts[0].to_string() : std::nullopt;
  const auto id = parts.size() == 2 ? parts[1].to_uint64() : std::nullopt;
  if (!token || !id || *id > kMaxTokenId) throw component.param_error(key, "expected a token and its id");
  return {std::string(*token), static_cast<std::int32_t>(*id)};
}

using SpecialTokens = std::map<std::string, std::vector<SpecialToken>, std::less<>>;

SpecialTokens read_special_tokens(const ComponentReader& component) {
  SpecialTokens special;
  for (const JsonMember& member : component.object("special_tokens").members()) {
    const ComponentReader entry(
        member.value, fmt::format("{}.special_tokens[{}]", component.where(), quote_text(member.key)));
    entry.expect_fields({"id", "ids", "tokens"});
    entry.text("id");
    const auto ids = entry.array("ids").elements(), tokens = entry.array("tokens").elements();
    if (ids.size() != tokens.size()) throw entry.param_error("ids", "expected as many ids as tokens");
    std::vector<SpecialToken>& list = special[std::string(member.key)];
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto id = ids[i].to_uint64();
      const auto token = tokens[i].to_string();
      if (!token)
        throw entry.param_error("tokens", fmt::format("expected a text, found {}", tokens[i].describe()));
      if (!id || *id > kMaxTokenId)
        throw Error("TOK_ID_RANGE", entry.where() + ".ids",
                    fmt::format("expected an id from 0 to {}, found {}", kMaxTokenId, ids[i].describe()));
      list.push_back({std::string(*token), static_cast<std::int32_t>(*id)});
    }
  }
  return special;
}

TemplateProcessing::Template read_template(const ComponentReader& component, std::string_view key, bool pair,
                                           const SpecialTokens& special) {
  constexpr std::size_t kMostPieces = 1000;
  if (component.array(key).size() > kMostPieces)
    throw Error("TOK_LIMIT", fmt::format("{}.{}", component.where(), key),
                fmt::format("{} pieces; at most {} are taken", component.array(key).size(), kMostPieces));
  TemplateProcessing::Template out;
  for (const ComponentReader& piece : component.children(key)) {
    piece.expect_fields({"Sequence", "SpecialToken"});
    TemplateProcessing::Part part;
    if (piece.has("Sequence") == piece.has("SpecialToken"))
      throw piece.param_error(key, "expected either a Sequence or a SpecialToken");
    const bool is_sequence = piece.has("Sequence");
    const std::string_view name = is_sequence ? "Sequence" : "SpecialToken";
    const ComponentReader inner(piece.object(name), fmt::format("{}.{}", piece.where(), name));
    inner.expect_fields({"id", "type_id"});
    part.type_id = static_cast<std::int32_t>(inner.integer("type_id", INT32_MAX));
    if (is_sequence) {
      part.sequence = static_cast<int>(inner.choice("id", {"A", "B"}));
      if (part.sequence == 1 && !pair)
        throw inner.param_error("id", "the template for one text asks for a second one");
    } else {
      const auto found = special.find(inner.text("id"));
      if (found == special.end())
        throw inner.param_error(
            "id", fmt::format("{} is not among the special_tokens", quote_text(inner.text("id"))));
      part.special = found->second;
    }
    out.push_back(std::move(part));
  }
  return out;
}

std::unique_ptr<PostProcessor> make_template(const ComponentReader& component) {
  component.expect_fields({"single", "pair", "special_tokens"});
  const SpecialTokens special = read_special_tokens(component);
  return std::make_unique<TemplateProcessing>(read_template(component, "single", false, special),
                                              read_template(component, "pair", true, special));
}

}  // namespace

std::unique_ptr<PostProcessor> make_bert_processing(SpecialToken cls, SpecialToken sep) {
  return std::make_unique<BertProcessing>(std::move(cls), std::move(sep));
}

std::unique_ptr<PostProcessor> make_roberta_processing(SpecialToken cls, SpecialToken sep, bool trim_offsets,
                                                       bool add_prefix_space) {
  return std::make_unique<RobertaProcessing>(std::move(cls), std::move(sep), trim_offsets, add_prefix_space);
}

std::unique_ptr<PostProcessor> make_byte_level_processing(bool add_prefix_space, bool trim_offsets) {
  return std::make_unique<ByteLevelProcessing>(add_prefix_space, trim_offsets);
}

std::unique_ptr<PostProcessor> make_bos_eos_processing(const SpecialToken* bos, const SpecialToken* eos) {
  TemplateProcessing::Template single, pair;
  for (const int sequence : {0, 1}) {
    if (bos != nullptr) pair.push_back({-1, {*bos}, sequence});
    pair.push_back({sequence, {}, sequence});
    if (eos != nullptr) pair.push_back({-1, {*eos}, sequence});
    if (sequence == 0) single = pair;
  }
  return std::make_unique<TemplateProcessing>(std::move(single), std::move(pair));
}

std::unique_ptr<PostProcessor> make_post_processor(const ComponentReader& component,
                                                   std::vector<std::string>& names) {
  const std::string_view type = component.type();
  component.add_name(names);
  if (type == "TemplateProcessing") return make_template(component);
  if (type == "Sequence") {
    component.expect_fields({"processors"});
    std::vector<std::unique_ptr<PostProcessor>> parts;
    for (const ComponentReader& child : component.children("processors"))
      parts.push_back(make_post_processor(child, names));
    return std::make_unique<PostProcessorSequence>(std::move(parts));
  }
  if (type == "ByteLevel") {
    component.expect_fields({"add_prefix_space", "trim_offsets", "use_regex"});
    return make_byte_level_processing(component.boolean("add_prefix_space"),
                                      component.boolean("trim_offsets"));
  }
  if (type == "BertProcessing") {
    component.expect_fields({"sep", "cls"});
    return make_bert_processing(read_token_pair(component, "cls"), read_token_pair(component, "sep"));
  }
  if (type == "RobertaProcessing") {
    component.expect_fields({"sep", "cls", "trim_offsets", "add_prefix_space"});
    return make_roberta_processing(read_token_pair(component, "cls"), read_token_pair(component, "sep"),
                                   component.boolean("trim_offsets"), component.boolean("add_prefix_space"));
  }
  throw component.unknown_type("post-processor");
}

}  // namespace attend
