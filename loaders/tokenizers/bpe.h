// Byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909), byte-level (GPT-2) or with byte fallback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/tokenizers/token_model.h"

namespace attend {

class Bpe : public TokenModel {
 public:
  struct Options {
    std::optional<std::string> unk_token;
    std::string continuing_subword_prefix, end_of_word_suffix;
    bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
  };
  using Merge = std::pair<std::string_view, std::string_view>;

  explicit Bpe(const ComponentReader& component);
  // With these options in place of the component's, which have to be right all the same.
  Bpe(const ComponentReader& component, Options options);
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, Options options, const std::string& where);

  // Merges the pair of lowest rank first, from the left; a heap over a linked list, so n log n in the word.
  // With byte fallback, the bytes of a prefix or suffix that was added count too: tokens then reach past the
  // word.
  void tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;
  std::string_view type() const override { return "BPE"; }
  std::string continuing_subword_prefix() const override { return options_.continuing_subword_prefix; }

 private:
  struct MergeRule {
    std::uint64_t pair = UINT64_MAX;  // left id << 32 | right id
    std::uint32_t rank = 0;
    std::int32_t merged = -1;
  };
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;
    std::uint32_t length;  // bytes; 0 once merged into the one before
  };
  struct Candidate {
    std::uint32_t rank, position;
    std::int32_t merged;
  };
  struct Unknown {
    std::int32_t id = -1;
    std::uint32_t length = 0;
  };

  void build(const std::vector<Merge>& merges, const std::string& where);
  // `merges` are those from number `first`.
  void add_rules(std::span<const Merge> merges, std::size_t first, const std::string& where);
  const MergeRule* find_merge(std::int32_t left, std::int32_t right) const;
  void read_symbols(std::string_view word, std::vector<Symbol>& symbols) const;
  bool add_bytes(std::string_view text, std::vector<Symbol>& symbols) const;
  void add_unknown(std::uint32_t length, Unknown& unknown, std::vector<Symbol>& symbols) const;
  void merge_all(std::vector<Symbol>& symbols) const;

  Options options_;
  std::vector<MergeRule> rules_;  // open addressing, a power of two
  std::vector<std::int32_t> byte_tokens_;
};

// Lines of merges.txt: two parts each, after a line that begins with #version. Error TOK_MERGE_FORM.
std::vector<Bpe::Merge> read_merges_text(std::string_view text, const std::string& where);

}  // namespace attend
