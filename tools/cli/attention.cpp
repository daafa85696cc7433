// attend attention: what heads look at.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "attend/attend.h"
#include "tools/cli/attention/output.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/generation_options.h"
#include "tools/cli/head_scales.h"
#include "tools/cli/inputs.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/model_options.h"
#include "tools/cli/npy_reader.h"
#include "tools/cli/output.h"

namespace attend::cli {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

Options make_options() {
  Options options(
      "attention MODEL INPUT",
      "Shows the attention weights of any layer and head: a heat map in the terminal, or files.\n"
      "Rows are queries, columns keys. Decoder-only models show their prompt; the decoder of a translation\n"
      "model generates first, and row i is the step that produced token i.",
      {"attend attention opus-mt-en-ja \"I eat an apple.\" --layer 3 --head 1",
       "attend attention opus-mt-en-ja \"I eat an apple.\" --html seen.html",
       "attend attention opus-mt-en-ja --file sentences.txt --align --json",
       "attend attention bert-base \"The station is closed.\" --layer 5 --npy weights.npy",
       "attend attention bert-base \"The station is closed.\" --layer 5 --query-text \"train\""});
  std::vector<OptionSpec> input = input_options();
  input.push_back({"pair", OptionKind::value, "TEXT", "the second text of a pair"});
  input.push_back({"target", OptionKind::value, "TEXT",
                   "what the decoder writes: nothing is generated (decoder-only: behind the prompt)"});
  input.push_back({"target-ids", OptionKind::value, "5,6,0", "the same as ids, with the end token"});
  options.add_group("Input", std::move(input));
  std::vector<OptionSpec> what = {
      {"kind", OptionKind::value, "K", "encoder, decoder or cross (default: cross where there is one)"},
      {"layer", OptionKind::list, "N",
       "from 0 (default: the last; all for --html, --align); may be repeated"},
      {"head", OptionKind::list, "H", "from 0 (default: all); may be repeated"},
  };
  for (OptionSpec& spec : head_scale_options()) what.push_back(std::move(spec));
  options.add_group("What", std::move(what));
  options.add_group(
      "Queries of one's own, over the keys and values of the input",
      {{"query-npy", OptionKind::value, "F", "vectors: hidden states, or with one --head its queries"},
       {"query-text", OptionKind::value, "TEXT", "the hidden states of this text"},
       {"query-position", OptionKind::value, "N", "where they stand (default: the input's last token)"}});
  options.add_group("Output", attention_output_options());
  options.add_group("Generation (defaults: the checkpoint's generation_config.json)", generation_options());
  options.add_group("Model", model_options());
  options.add_group("Other", log_options());
  return options;
}

std::vector<std::int64_t> integers(const Options& options, const std::string& name) {
  std::vector<std::int64_t> values;
  for (const std::string& text : options.list(name)) {
    for (const std::int32_t value : parse_ids(name, text)) values.push_back(value);
  }
  return values;
}

void check_combination(const Options& options, const AttentionFiles& files) {
  const auto exclude = [&](const char* one, const char* other, const char* why) {
    if (options.has(one) && options.has(other))
      throw usage_error("OPTION_VALUE", std::string("--") + one,
                        fmt::format("not with --{}: {}", other, why));
  };
  exclude("query-npy", "query-text", "give one of them");
  exclude("target", "target-ids", "give one of them");
  exclude("align", "query-npy", "words are aligned by the decoder's own queries");
  exclude("align", "query-text", "use --target for a translation that is given");
  const bool asks = options.has("query-npy") || options.has("query-text");
  for (const char* name : {"query-position", "values-npy"}) {
    if (options.has(name) && !asks)
      throw usage_error("OPTION_VALUE", std::string("--") + name, "needs --query-npy or --query-text");
  }
  if (options.flag("align") && options.has("kind") && options.text("kind") != "cross")
    throw usage_error("OPTION_VALUE", "--align", "words are aligned by cross-attention: --kind cross");
  if ((files.npy || files.values_npy || files.png) && integers(options, "layer").size() > 1)
    throw usage_error("OPTION_VALUE", "--layer", "--npy, --values-npy and --png hold one layer: give one");
}

// What does not depend on the model; errors come before it is loaded.
AttentionRequest parse_request(const Options& options) {
  AttentionRequest request;
  if (const auto kind = options.text("kind")) request.kind = parse_attention_kind(*kind);
  if (options.flag("align")) request.kind = AttentionKind::cross;
  request.layers = integers(options, "layer");
  request.heads = integers(options, "head");
  request.head_scales = parse_head_scales(options);
  if (const auto text = options.text("target")) request.target = Input{.text = *text};
  if (const auto ids = options.text("target-ids"))
    request.target = Input{.ids = parse_ids("target-ids", *ids)};
  if (options.has("query-npy")) {
    request.query = AttentionQuery{.vectors = read_npy(*options.text("query-npy"))};
  } else if (const auto text = options.text("query-text")) {
    request.query = AttentionQuery{.text = *text};
  }
  if (request.query) request.query->position = options.integer("query-position", 0, kMost);
  return request;
}

// Without --layer the last one, but for outputs that hold several.
void choose_layers(const Model& model, const Options& options, AttentionRequest& request) {
  const bool holds_one = options.has("npy") || options.has("values-npy") || options.has("png");
  const bool holds_all = options.has("html") || options.flag("align");
  if (!request.layers.empty() || (holds_all && !holds_one)) return;
  const std::vector<AttentionLayers> all = model.attention_layers();
  for (const AttentionLayers& layers : all) {
    if (request.kind ? layers.kind == *request.kind : &layers == &all.back())
      request.layers = {static_cast<std::int64_t>(layers.heads.size()) - 1};
  }
}

class Show {
 public:
  Show(const Model& model, const Options& options)
      : model_(model),
        files_(options),
        json_(options.flag("json")),
        align_(options.flag("align")),
        all_heads_(options.has("layer") || options.has("head")),
        name_(std::filesystem::absolute(model_argument(options)).lexically_normal().filename().string()) {}

  void operator()(const AttentionRequest& request) const {
    const AttentionResult result = model_.attention(request);
    files_.write(result, name_);
    if (align_) {
      const WordAlignment alignment = align_words(result, all_heads_);
      if (json_) return write_json(alignment_json(result, alignment));
      return print(alignment_lines(result, alignment));
    }
    if (json_) return write_json(attention_json(result));
    if (!files_.any()) print(attention_lines(result));
  }

 private:
  void print(const std::vector<std::string>& lines) const {
    for (const std::string& line : lines) write_line(line);
  }

  const Model& model_;
  AttentionFiles files_;
  bool json_, align_, all_heads_;
  std::string name_;
};

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  model_argument(options);
  const AttentionFiles files(options);
  check_combination(options, files);
  AttentionRequest request = parse_request(options);
  apply_generation_options(options, {});
  InputSource inputs(options, 1);
  if (files.any() && inputs.several())
    throw usage_error("OPTION_VALUE", "INPUT", "files hold the maps of one input: give one");
  files.check();

  const Model model = load_model(options, load_options(options));
  request.generation = apply_generation_options(options, model.generation());
  choose_layers(model, options, request);
  const Show show(model, options);
  std::stop_source stop;
  request.stop = stop.get_token();
  const InterruptScope interrupt([&] {
    stop.request_stop();
    inputs.stop();
  });
  int code = kExitDone;
  for (std::size_t index = 0;; ++index) {
    std::optional<InputItem> item = inputs.next();
    if (!item) break;
    try {
      if (item->error) throw *item->error;
      request.input = std::move(item->input);
      if (const auto pair = options.text("pair"); pair && !request.input.ids) request.input.pair = *pair;
      show(request);
    } catch (const Error& error) {
      if (interrupted()) return kExitInterrupted;
      // What is wrong with the call is wrong for every input.
      if (error.category() == ErrorCategory::usage) throw;
      code = std::max(code, error.category() == ErrorCategory::internal ? kExitInternal : kExitData);
      if (options.flag("json")) {
        write_json(error_json(error));
      } else {
        print_input_error(index, error);
      }
    }
  }
  return interrupted() ? kExitInterrupted : code;
}

}  // namespace

const Command kAttentionCommand = {"attention", "what heads look at: heat maps, pages, word alignments", run,
                                   true};

}  // namespace attend::cli
