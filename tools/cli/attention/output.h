// What `attend attention` writes: files, JSON, and text for people.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/options.h"

namespace attend::cli {

std::vector<OptionSpec> attention_output_options();

struct AttentionFiles {
  std::optional<std::string> npy, values_npy, png, html;

  explicit AttentionFiles(const Options& options);
  bool any() const { return npy || values_npy || png || html; }
  // Throws OUTPUT for the first that cannot be written, before anything is computed.
  void check() const;
  // `model` is the page's title.
  void write(const AttentionResult& result, const std::string& model) const;
};

// {"kind", "queries", "keys", "maps": [{"layer", "heads", "weights", "values"}], "output_ids", "score"}
nlohmann::ordered_json attention_json(const AttentionResult& result);
// A heat map of each layer: of its head, or of the mean of its heads.
std::vector<std::string> attention_lines(const AttentionResult& result);

// {"translation_text", "output_ids", "score", "source_words", "target_words", "alignment", "pharaoh",
// "heads"}: spans in code points; "pharaoh" has the links as SOURCE-TARGET, the format of alignment tools.
nlohmann::ordered_json alignment_json(const AttentionResult& result, const WordAlignment& alignment);
std::vector<std::string> alignment_lines(const AttentionResult& result, const WordAlignment& alignment);

}  // namespace attend::cli
