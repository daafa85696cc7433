#include "loaders/tokenizers/normalizers.h"

#include <utility>

#include "loaders/tokenizers/precompiled.h"
#include "loaders/tokenizers/regex.h"
#include "loaders/tokenizers/unicode.h"

namespace attend {
namespace {

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}
  void normalize(NormalizedString& text) const override {
    for (const auto& part : parts_) part->normalize(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalizationForm form) : form_(form) {}
  void normalize(NormalizedString& text) const override { text.normalize(form_); }

 private:
  NormalizationForm form_;
};

class Lowercase : public Normalizer {
 public:
  void normalize(NormalizedString& text) const override { text.lowercase(); }
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void normalize(NormalizedString& text) const override { text.strip(left_, right_); }

 private:
  bool left_, right_;
};

class StripAccents : public Normalizer {
 public:
  void normalize(NormalizedString& text) const override {
    text.filter([](char32_t c) { return !is_accent(c); });
  }
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string_view prefix) : prefix_(prefix) {}
  void normalize(NormalizedString& text) const override { text.prepend(prefix_); }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Regex regex, std::string_view content) : regex_(std::move(regex)), content_(content) {}
  void normalize(NormalizedString& text) const override {
    std::vector<MatchSpan> spans;
    RegexMatcher(regex_).find_all(text.text(), spans);
    text.replace(spans, content_);
  }

 private:
  Regex regex_;
  std::string content_;
};

class ByteLevelNormalizer : public Normalizer {
 public:
  void normalize(NormalizedString& text) const override { text.to_byte_level(); }
};

// The rules of SentencePiece's nmt_nfkc for control characters and white space.
class Nmt : public Normalizer {
 public:
  void normalize(NormalizedString& text) const override {
    text.filter([](char32_t c) {
      const bool control = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                           c == 0x8F || c == 0x9F;
      return !control;
    });
    text.map([](char32_t c) {
      const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                         c == 0xFEFF || c == 0xFFFD;
      return space ? U' ' : c;
    });
  }
};

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options) : options_(options) {}

  void normalize(NormalizedString& text) const override {
    if (options_.clean_text) {
      text.filter([](char32_t c) { return !is_cleaned_text(c); });
      text.map([](char32_t c) { return is_whitespace(c) ? U' ' : c; });
    }
    if (options_.handle_chinese_chars) space_out_ideographs(text);
    if (options_.strip_accents) {
      text.normalize(NormalizationForm::nfd);
      text.filter([](char32_t c) { return !is_bert_accent(c); });
    }
    if (options_.lowercase) text.lowercase();
  }

 private:
  static void space_out_ideographs(NormalizedString& text) {
    const std::string old(text.text());
    text.transform([&](auto&& emit) {
      for_each_code_point(old, [&](char32_t c, std::size_t) {
        if (is_cjk_ideograph(c)) {
          emit(U' ', 0);
          emit(c, 1);
          emit(U' ', 1);
        } else {
          emit(c, 0);
        }
      });
    });
  }

  BertNormalizerOptions options_;
};

std::unique_ptr<Normalizer> make_sequence(const ComponentReader& component, std::vector<std::string>& names) {
  component.expect_fields({"normalizers"});
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (const ComponentReader& child : component.children("normalizers"))
    parts.push_back(make_normalizer(child, names));
  return std::make_unique<NormalizerSequence>(std::move(parts));
}

std::unique_ptr<Normalizer> make_replace(const ComponentReader& component) {
  component.expect_fields({"pattern", "content"});
  const ComponentReader::Pattern pattern = component.pattern();
  const std::string where = component.where() + ".pattern";
  return std::make_unique<Replace>(
      pattern.is_regex ? Regex::compile(pattern.text, where) : Regex::literal(pattern.text, where),
      component.text("content"));
}

std::unique_ptr<Normalizer> read_bert_normalizer(const ComponentReader& component) {
  component.expect_fields({"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  BertNormalizerOptions options;
  options.clean_text = component.boolean("clean_text");
  options.handle_chinese_chars = component.boolean("handle_chinese_chars");
  options.lowercase = component.boolean("lowercase");
  options.strip_accents = component.boolean_or("strip_accents", options.lowercase);
  return make_bert_normalizer(options);
}

std::unique_ptr<Normalizer> make_simple(std::string_view type) {
  if (type == "NFC") return std::make_unique<FormNormalizer>(NormalizationForm::nfc);
  if (type == "NFD") return std::make_unique<FormNormalizer>(NormalizationForm::nfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(NormalizationForm::nfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(NormalizationForm::nfkd);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "Nmt") return std::make_unique<Nmt>();
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  return nullptr;
}

}  // namespace

std::unique_ptr<Normalizer> make_form_normalizer(NormalizationForm form) {
  return std::make_unique<FormNormalizer>(form);
}

std::unique_ptr<Normalizer> make_bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}

std::unique_ptr<Normalizer> make_normalizer(const ComponentReader& component,
                                            std::vector<std::string>& names) {
  const std::string_view type = component.type();
  component.add_name(names);
  if (auto simple = make_simple(type)) {
    component.expect_fields({});
    return simple;
  }
  if (type == "Sequence") return make_sequence(component, names);
  if (type == "BertNormalizer") return read_bert_normalizer(component);
  if (type == "Replace") return make_replace(component);
  if (type == "Strip") {
    component.expect_fields({"strip_left", "strip_right"});
    return std::make_unique<StripNormalizer>(component.boolean("strip_left"),
                                             component.boolean("strip_right"));
  }
  if (type == "Prepend") {
    component.expect_fields({"prepend"});
    return std::make_unique<Prepend>(component.text("prepend"));
  }
  if (type == "Precompiled") {
    component.expect_fields({"precompiled_charsmap"});
    return std::make_unique<Precompiled>(component.text("precompiled_charsmap"), component.where());
  }
  throw component.unknown_type("normalizer");
}

}  // namespace attend
