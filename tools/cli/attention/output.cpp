#include "tools/cli/attention/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tools/cli/attention/heat_map.h"
#include "tools/cli/attention/html.h"
#include "tools/cli/attention/labels.h"
#include "tools/cli/attention/png.h"
#include "tools/cli/npy.h"

namespace attend::cli {
namespace {

using Json = nlohmann::ordered_json;

Error write_error(const std::string& path) {
  return Error("OUTPUT", path, std::string("cannot be written: ") + std::strerror(errno));
}

Json token_json(const AttentionToken& token) {
  Json json = {{"id", token.id}};
  if (!token.token.empty()) json["token"] = token.token;
  if (token.start < token.end) {
    json["start"] = token.start;
    json["end"] = token.end;
  }
  return json;
}

Json tokens_json(const std::vector<AttentionToken>& tokens) {
  Json list = Json::array();
  for (const AttentionToken& token : tokens) list.push_back(token_json(token));
  return list;
}

// The dimensions from `axis` on as nested arrays.
Json array_json(const Tensor& tensor, int axis = 0, std::int64_t at = 0) {
  if (axis == tensor.shape().rank()) return tensor.f32()[static_cast<std::size_t>(at)];
  Json list = Json::array();
  for (std::int64_t i = 0; i < tensor.shape()[axis]; ++i)
    list.push_back(array_json(tensor, axis + 1, at + i * tensor.stride(axis)));
  return list;
}

Json word_json(const AlignedWord& word) {
  return {{"text", word.text}, {"start", word.start}, {"end", word.end}};
}

std::string heads_sentence(const WordAlignment& alignment) {
  constexpr double kNothing = 0.1;  // nats; heads that look at words have more than 1
  std::string text;
  double best = 0;
  for (const AlignmentHead& head : alignment.heads) {
    text += fmt::format("{}{}:{} ({:.2f})", text.empty() ? "" : ", ", head.layer, head.head, head.score);
    best = std::max(best, head.score);
  }
  return "from heads " + text + "; in brackets how much each tells, in nats" +
         (best < kNothing ? ": next to nothing, the links are guesses" : "");
}

}  // namespace

std::vector<OptionSpec> attention_output_options() {
  return {
      {"npy", OptionKind::value, "F", "write the weights of one layer: [heads, queries, keys]"},
      {"values-npy", OptionKind::value, "F", "what custom queries got: [heads, queries, head width]"},
      {"png", OptionKind::value, "F", "write a picture: a tile for each head, numbered tokens"},
      {"html", OptionKind::value, "F", "write a page that shows all layers and heads asked for"},
      {"align", OptionKind::flag, "", "which word of a translation stands for which of its source"},
      {"json", OptionKind::flag, "", "one JSON object a line for each input"},
  };
}

AttentionFiles::AttentionFiles(const Options& options)
    : npy(options.text("npy")),
      values_npy(options.text("values-npy")),
      png(options.text("png")),
      html(options.text("html")) {}

void AttentionFiles::check() const {
  for (const auto& path : {npy, values_npy, png, html}) {
    if (!path) continue;
    const bool existed = std::filesystem::exists(*path);
    errno = 0;
    if (!std::ofstream(*path, std::ios::app)) throw write_error(*path);
    std::error_code ignored;
    if (!existed) std::filesystem::remove(*path, ignored);
  }
}

void AttentionFiles::write(const AttentionResult& result, const std::string& model) const {
  if (npy) NpyWriter(*npy).append(result.maps.front().weights);
  if (values_npy) NpyWriter(*values_npy).append(result.maps.front().values);
  if (png) {
    std::vector<Panel> panels;
    for (std::size_t h = 0; h < result.maps.front().heads.size(); ++h)
      panels.push_back(make_panel(result, result.maps.front(), static_cast<int>(h)));
    write_png(*png, panels);
  }
  if (!html) return;
  const PageText page = attention_page(model, result);
  std::ofstream file(*html, std::ios::binary | std::ios::trunc);
  file << page.html;
  if (!file.flush()) throw write_error(*html);
  if (!page.limit.empty()) std::fprintf(stderr, "attend: warn: %s: %s\n", html->c_str(), page.limit.c_str());
}

Json attention_json(const AttentionResult& result) {
  Json json = {{"kind", to_string(result.kind)},
               {"queries", tokens_json(result.queries)},
               {"keys", tokens_json(result.keys)},
               {"maps", Json::array()}};
  for (const AttentionMap& map : result.maps) {
    Json entry = {{"layer", map.layer}, {"heads", map.heads}, {"weights", array_json(map.weights)}};
    if (!map.values.empty()) entry["values"] = array_json(map.values);
    json["maps"].push_back(std::move(entry));
  }
  if (!result.output_ids.empty()) json["output_ids"] = result.output_ids;
  if (result.score) json["score"] = *result.score;
  return json;
}

std::vector<std::string> attention_lines(const AttentionResult& result) {
  std::vector<std::string> lines;
  const TextStyle style = terminal_style();
  for (const AttentionMap& map : result.maps) {
    if (!lines.empty()) lines.emplace_back();
    for (std::string& line : draw_heat_map(make_panel(result, map, -1), style))
      lines.push_back(std::move(line));
  }
  return lines;
}

Json alignment_json(const AttentionResult& result, const WordAlignment& alignment) {
  Json json = {{"translation_text", result.query_text}, {"output_ids", result.output_ids}};
  if (result.score) json["score"] = *result.score;
  json["source_words"] = Json::array();
  for (const AlignedWord& word : alignment.source) json["source_words"].push_back(word_json(word));
  json["target_words"] = Json::array();
  for (const AlignedWord& word : alignment.target) json["target_words"].push_back(word_json(word));
  json["alignment"] = Json::array();
  std::string pharaoh;
  for (const WordLink& link : alignment.links) {
    json["alignment"].push_back({{"source", link.source}, {"target", link.target}, {"weight", link.weight}});
    pharaoh += fmt::format("{}{}-{}", pharaoh.empty() ? "" : " ", link.source, link.target);
  }
  json["pharaoh"] = pharaoh;
  json["heads"] = Json::array();
  for (const AlignmentHead& head : alignment.heads)
    json["heads"].push_back({{"layer", head.layer}, {"head", head.head}, {"score", head.score}});
  return json;
}

std::vector<std::string> alignment_lines(const AttentionResult& result, const WordAlignment& alignment) {
  std::vector<std::string> lines = {result.key_text, result.query_text};
  constexpr int kWidest = 32;
  int width = 0;
  for (const AlignedWord& word : alignment.target)
    width = std::max(width, std::min(display_width(word.text), kWidest));
  for (std::size_t t = 0; t < alignment.target.size(); ++t) {
    std::string line = "  " + padded(alignment.target[t].text, width);
    for (const WordLink& link : alignment.links) {
      if (link.target == t)
        line += fmt::format("  {:.2f}  {}", link.weight, alignment.source[link.source].text);
    }
    lines.push_back(std::move(line));
  }
  lines.push_back(heads_sentence(alignment));
  return lines;
}

}  // namespace attend::cli
