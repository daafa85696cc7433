#include "loaders/tokenizers/pre_tokenizers.h"

#include <utility>

#include "loaders/tokenizers/unicode.h"

namespace attend {
namespace {

constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Cuts out each character for which matches(c) holds.
template <typename Matches>
auto each_character(Matches matches) {
  return [matches](std::string_view text, std::vector<MatchSpan>& spans) {
    std::uint32_t covered = 0;
    for (std::uint32_t at = 0; at < text.size();) {
      const CodePoint c = decode_utf8(text, at);
      const auto end = at + static_cast<std::uint32_t>(c.length);
      if (matches(c.value)) {
        if (covered < at) spans.push_back({covered, at, false});
        spans.push_back({at, end, true});
        covered = end;
      }
      at = end;
    }
    if (covered < text.size()) spans.push_back({covered, static_cast<std::uint32_t>(text.size()), false});
  };
}

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {}
  void pre_tokenize(PreTokenized& text) const override {
    for (const auto& part : parts_) part->pre_tokenize(text);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

class RegexSplit : public PreTokenizer {
 public:
  RegexSplit(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  void pre_tokenize(PreTokenized& text) const override {
    RegexMatcher matcher(regex_);
    text.split(
        [&](std::string_view part, std::vector<MatchSpan>& spans) {
          matcher.find_all(part, spans);
          if (!invert_) return;
          for (MatchSpan& span : spans) span.matched = !span.matched;
        },
        behavior_);
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void pre_tokenize(PreTokenized& text) const override {
    if (add_prefix_space_) {
      text.rewrite([](NormalizedString& part) {
        if (!part.text().starts_with(' ')) part.prepend(" ");
      });
    }
    if (use_regex_) {
      static const Regex regex = Regex::compile(kByteLevelPattern, "ByteLevel");
      RegexMatcher matcher(regex);
      text.split([&](std::string_view part, std::vector<MatchSpan>& spans) { matcher.find_all(part, spans); },
                 SplitBehavior::isolated);
    }
    text.rewrite([](NormalizedString& part) { part.to_byte_level(); });
  }

 private:
  bool add_prefix_space_, use_regex_;
};

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(const MetaspaceOptions& options) : options_(options) {
    append_utf8(replacement_, options.replacement);
  }

  void pre_tokenize(PreTokenized& text) const override {
    const auto find_spaces = each_character([](char32_t c) { return c == ' '; });
    std::vector<MatchSpan> spans;
    text.rewrite([&](NormalizedString& part) {
      spans.clear();
      find_spaces(part.text(), spans);
      part.replace(spans, replacement_);
      const bool first = part.original_begin() == 0;
      const bool prepend = options_.prepend == MetaspaceOptions::Prepend::always ||
                           (options_.prepend == MetaspaceOptions::Prepend::first && first);
      if (prepend && !part.text().starts_with(replacement_)) part.prepend(replacement_);
    });
    if (!options_.split) return;
    const char32_t replacement = options_.replacement;
    text.split(each_character([replacement](char32_t c) { return c == replacement; }),
               SplitBehavior::merged_with_next);
  }

 private:
  MetaspaceOptions options_;
  std::string replacement_;
};

// Whitespace: runs of word characters, and runs of what is neither that nor white space.
class Whitespace : public PreTokenizer {
 public:
  void pre_tokenize(PreTokenized& text) const override {
    const auto kind_of = [](char32_t c) { return is_whitespace(c) ? 0 : is_word_character(c) ? 1 : 2; };
    text.split(
        [&](std::string_view part, std::vector<MatchSpan>& spans) {
          int kind = -1;
          for_each_code_point(part, [&](char32_t c, std::size_t at) {
            const int next = kind_of(c);
            const auto begin = static_cast<std::uint32_t>(at);
            if (next != kind) spans.push_back({begin, begin, next == 0});
            kind = next;
            spans.back().end = begin + static_cast<std::uint32_t>(utf8_width(c));
          });
        },
        SplitBehavior::removed);
  }
};

// Cuts at characters of one kind.
template <typename Matches>
class CharacterSplit : public PreTokenizer {
 public:
  CharacterSplit(Matches matches, SplitBehavior behavior) : matches_(matches), behavior_(behavior) {}
  void pre_tokenize(PreTokenized& text) const override { text.split(each_character(matches_), behavior_); }

 private:
  Matches matches_;
  SplitBehavior behavior_;
};

template <typename Matches>
std::unique_ptr<PreTokenizer> split_at(Matches matches, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit<Matches>>(matches, behavior);
}

// Runs of one script; Japanese scripts count as Han, and spaces and the like go with what is before them.
class UnicodeScripts : public PreTokenizer {
 public:
  void pre_tokenize(PreTokenized& text) const override {
    static const int han = split_script(U'\u4E00');
    text.split(
        [](std::string_view part, std::vector<MatchSpan>& spans) {
          int last = -1;
          bool begun = false;
          for_each_code_point(part, [&](char32_t c, std::size_t at) {
            const int script = c == ' ' ? 0 : c == 0x30FC ? han : split_script(c);
            const auto begin = static_cast<std::uint32_t>(at);
            if (script != 0 && last != 0 && last != script) {
              spans.push_back({begin, begin, false});
              begun = true;
            }
            if (script != 0) last = script;
            if (begun) spans.back().end = begin + static_cast<std::uint32_t>(utf8_width(c));
          });
        },
        SplitBehavior::removed);
  }
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(std::uint64_t length) : length_(length) {}
  void pre_tokenize(PreTokenized& text) const override {
    text.split(
        [&](std::string_view part, std::vector<MatchSpan>& spans) {
          std::uint64_t count = 0;
          for_each_code_point(part, [&](char32_t c, std::size_t at) {
            const auto begin = static_cast<std::uint32_t>(at);
            if (count++ % length_ == 0) spans.push_back({begin, begin, false});
            spans.back().end = begin + static_cast<std::uint32_t>(utf8_width(c));
          });
        },
        SplitBehavior::removed);
  }

 private:
  std::uint64_t length_;
};

SplitBehavior read_behavior(const ComponentReader& component) {
  constexpr SplitBehavior kBehaviors[] = {SplitBehavior::removed, SplitBehavior::isolated,
                                          SplitBehavior::merged_with_previous,
                                          SplitBehavior::merged_with_next, SplitBehavior::contiguous};
  return kBehaviors[component.choice(
      "behavior", {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"})];
}

std::unique_ptr<PreTokenizer> make_sequence(const ComponentReader& component,
                                            std::vector<std::string>& names) {
  component.expect_fields({"pretokenizers"});
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (const ComponentReader& child : component.children("pretokenizers"))
    parts.push_back(make_pre_tokenizer(child, names));
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

std::unique_ptr<PreTokenizer> make_split(const ComponentReader& component) {
  component.expect_fields({"pattern", "behavior", "invert"});
  const ComponentReader::Pattern pattern = component.pattern();
  const std::string where = component.where() + ".pattern";
  return std::make_unique<RegexSplit>(
      pattern.is_regex ? Regex::compile(pattern.text, where) : Regex::literal(pattern.text, where),
      read_behavior(component), component.boolean("invert"));
}

std::unique_ptr<PreTokenizer> make_with_fields(const ComponentReader& component) {
  const std::string_view type = component.type();
  if (type == "ByteLevel") {
    component.expect_fields({"add_prefix_space", "trim_offsets", "use_regex"});
    component.boolean("trim_offsets");
    return make_byte_level_pre_tokenizer(component.boolean("add_prefix_space"),
                                         component.boolean_or("use_regex", true));
  }
  if (type == "Metaspace") return std::make_unique<MetaspacePreTokenizer>(read_metaspace(component));
  if (type == "Split") return make_split(component);
  if (type == "Punctuation") {
    component.expect_fields({"behavior"});
    return split_at(is_punctuation,
                    component.has("behavior") ? read_behavior(component) : SplitBehavior::isolated);
  }
  if (type == "Digits") {
    component.expect_fields({"individual_digits"});
    return split_at(is_numeric, component.boolean("individual_digits") ? SplitBehavior::isolated
                                                                       : SplitBehavior::contiguous);
  }
  if (type == "CharDelimiterSplit") {
    component.expect_fields({"delimiter"});
    const char32_t delimiter = component.character("delimiter");
    return split_at([delimiter](char32_t c) { return c == delimiter; }, SplitBehavior::removed);
  }
  if (type == "FixedLength") {
    component.expect_fields({"length"});
    const std::uint64_t length = component.optional_integer("length", UINT32_MAX).value_or(5);
    if (length == 0) throw component.param_error("length", "expected at least 1, found 0");
    return std::make_unique<FixedLength>(length);
  }
  return nullptr;
}

}  // namespace

// Older files have add_prefix_space instead of prepend_scheme, and str_rep beside replacement.
MetaspaceOptions read_metaspace(const ComponentReader& component) {
  component.expect_fields({"replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  MetaspaceOptions options;
  options.replacement = component.character("replacement");
  options.split = component.boolean_or("split", true);
  constexpr MetaspaceOptions::Prepend kSchemes[] = {
      MetaspaceOptions::Prepend::first, MetaspaceOptions::Prepend::never, MetaspaceOptions::Prepend::always};
  if (component.has("prepend_scheme"))
    options.prepend = kSchemes[component.choice("prepend_scheme", {"first", "never", "always"})];
  if (!component.boolean_or("add_prefix_space", true)) {
    if (component.has("prepend_scheme") && options.prepend != MetaspaceOptions::Prepend::never)
      throw component.param_error("add_prefix_space", "false contradicts prepend_scheme");
    options.prepend = MetaspaceOptions::Prepend::never;
  }
  return options;
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) {
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

std::unique_ptr<PreTokenizer> make_split_pre_tokenizer(Regex regex, SplitBehavior behavior) {
  return std::make_unique<RegexSplit>(std::move(regex), behavior, false);
}

std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer() {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  parts.push_back(split_at(is_whitespace, SplitBehavior::removed));
  parts.push_back(split_at(is_punctuation, SplitBehavior::isolated));
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, use_regex);
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const ComponentReader& component,
                                                 std::vector<std::string>& names) {
  const std::string_view type = component.type();
  component.add_name(names);
  if (type == "Sequence") return make_sequence(component, names);
  if (auto with_fields = make_with_fields(component)) return with_fields;
  std::unique_ptr<PreTokenizer> simple;
  if (type == "BertPreTokenizer") simple = make_bert_pre_tokenizer();
  if (type == "Whitespace") simple = std::make_unique<Whitespace>();
  if (type == "WhitespaceSplit") simple = split_at(is_whitespace, SplitBehavior::removed);
  if (type == "UnicodeScripts") simple = std::make_unique<UnicodeScripts>();
  if (!simple) throw component.unknown_type("pre-tokenizer");
  component.expect_fields({});
  return simple;
}

}  // namespace attend
