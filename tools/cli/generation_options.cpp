#include "tools/cli/generation_options.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "attend/error.h"

namespace attend::cli {
namespace {

using Config = GenerationConfig;
using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Integer {
  std::variant<std::int32_t Config::*, std::optional<std::int32_t> Config::*> field;
  std::int32_t minimum;
  std::int32_t maximum = kMax;
};
struct Number {
  std::variant<double Config::*, std::optional<double> Config::*> field;
  double minimum;
  double maximum = kInfinity;
};
struct Switch {
  bool Config::*field;
};
struct IdList {
  Ids Config::*field;
};

struct Row {
  const char* name;
  const char* value_name;
  const char* help;
  std::variant<Integer, Number, Switch, IdList> field;
};

// Options whose value is one number, switch or list of ids. The others are written out below.
const Row kRows[] = {
    {"max-new-tokens", "N", "most tokens to generate", Integer{&Config::max_new_tokens, 1}},
    {"min-new-tokens", "N", "no end before this many", Integer{&Config::min_new_tokens, 0}},
    {"max-length", "N", "the same, start token or prompt included", Integer{&Config::max_length, 1}},
    {"min-length", "N", "the same, start token or prompt included", Integer{&Config::min_length, 0}},
    {"num-beams", "N", "width of beam search; 1 is greedy", Integer{&Config::num_beams, 1, 1024}},
    {"num-return-sequences", "N", "results per input", Integer{&Config::num_return_sequences, 1, 1024}},
    {"length-penalty", "X", "exponent of the length in a beam's score",
     Number{&Config::length_penalty, -kInfinity}},
    {"do-sample", "", "draw tokens instead of taking the best", Switch{&Config::do_sample}},
    {"temperature", "X", "flattens (> 1) or sharpens (< 1) the distribution",
     Number{&Config::temperature, 0}},
    {"top-k", "N", "draw from the N likeliest; 0 is all", Integer{&Config::top_k, 0}},
    {"top-p", "X", "draw from the likeliest of this total probability", Number{&Config::top_p, 0, 1}},
    {"min-p", "X", "draw from those of at least X times the best", Number{&Config::min_p, 0, 1}},
    {"typical-p", "X", "locally typical sampling", Number{&Config::typical_p, 0, 1}},
    {"repetition-penalty", "X", "makes tokens that occurred less likely (> 1)",
     Number{&Config::repetition_penalty, 0}},
    {"encoder-repetition-penalty", "X", "makes tokens of the input likelier (> 1)",
     Number{&Config::encoder_repetition_penalty, 0}},
    {"presence-penalty", "X", "subtracted once per token generated",
     Number{&Config::presence_penalty, -kInfinity}},
    {"frequency-penalty", "X", "subtracted per occurrence", Number{&Config::frequency_penalty, -kInfinity}},
    {"no-repeat-ngram-size", "N", "no sequence of N tokens twice", Integer{&Config::no_repeat_ngram_size, 0}},
    {"encoder-no-repeat-ngram-size", "N", "no sequence of N tokens of the input",
     Integer{&Config::encoder_no_repeat_ngram_size, 0}},
    {"suppress-tokens", "5,6", "never generate these ids", IdList{&Config::suppress_tokens}},
    {"begin-suppress-tokens", "5,6", "nor these at the beginning", IdList{&Config::begin_suppress_tokens}},
    {"decoder-start-token-id", "N", "what the decoder starts with",
     Integer{&Config::decoder_start_token_id, 0}},
    {"forced-bos-token-id", "N", "the first token", Integer{&Config::forced_bos_token_id, 0}},
    {"forced-eos-token-id", "5,6", "the last token when the length runs out",
     IdList{&Config::forced_eos_token_id}},
    {"eos-token-id", "5,6", "what ends a sequence", IdList{&Config::eos_token_id}},
    {"pad-token-id", "N", "never generated where the checkpoint bans it", Integer{&Config::pad_token_id, 0}},
    {"remove-invalid-values", "", "treat NaN and infinite logits as impossible",
     Switch{&Config::remove_invalid_values}},
    {"renormalize-logits", "", "normalise again after the rules", Switch{&Config::renormalize_logits}},
    {"logprobs", "", "log-probabilities of the tokens chosen", Switch{&Config::logprobs}},
    {"top-logprobs", "N", "and of the N best others", Integer{&Config::top_logprobs, 0, 100}},
};

OptionKind kind(const Row& row) {
  return std::holds_alternative<Switch>(row.field) ? OptionKind::toggle : OptionKind::value;
}

template <class Field, class Value>
void assign(Config& config, const Field& field, Value value) {
  std::visit([&](auto member) { config.*member = value; }, field);
}

void apply(const Row& row, const Options& options, Config& config) {
  if (!options.has(row.name)) return;
  if (const auto* integer = std::get_if<Integer>(&row.field)) {
    const auto value = options.integer(row.name, integer->minimum, integer->maximum);
    assign(config, integer->field, static_cast<std::int32_t>(*value));
  } else if (const auto* number = std::get_if<Number>(&row.field)) {
    assign(config, number->field, *options.number(row.name, number->minimum, number->maximum));
  } else if (const auto* toggle = std::get_if<Switch>(&row.field)) {
    config.*(toggle->field) = options.flag(row.name);
  } else if (const auto* list = std::get_if<IdList>(&row.field)) {
    config.*(list->field) = parse_ids(row.name, *options.text(row.name));
  }
}

EarlyStopping parse_early_stopping(const std::string& text) {
  if (text == "true") return EarlyStopping::yes;
  if (text == "false") return EarlyStopping::no;
  if (text == "never") return EarlyStopping::never;
  throw usage_error("OPTION_VALUE", "--early-stopping",
                    "expected true, false or never, found '" + text + "'");
}

}  // namespace

std::vector<OptionSpec> generation_options() {
  std::vector<OptionSpec> specs;
  for (const Row& row : kRows) specs.push_back({row.name, kind(row), row.value_name, row.help});
  specs.push_back({"early-stopping", OptionKind::value, "W", "when beam search ends: true, false or never"});
  specs.push_back(
      {"bad-words-ids", OptionKind::list, "5,6", "never generate this sequence of ids; may be repeated"});
  specs.push_back({"stop", OptionKind::list, "TEXT", "end where this text appears; may be repeated"});
  specs.push_back({"seed", OptionKind::value, "N", "of the random numbers for --do-sample"});
  return specs;
}

GenerationConfig apply_generation_options(const Options& options, GenerationConfig config) {
  // The file's limit in new tokens would win over a limit given here in the other way of counting.
  if (options.has("max-length")) config.max_new_tokens.reset();
  if (options.has("min-length")) config.min_new_tokens.reset();
  for (const Row& row : kRows) apply(row, options, config);
  if (const auto text = options.text("early-stopping")) config.early_stopping = parse_early_stopping(*text);
  if (options.has("bad-words-ids")) {
    config.bad_words_ids.clear();
    for (const std::string& ids : options.list("bad-words-ids")) {
      config.bad_words_ids.push_back(parse_ids("bad-words-ids", ids));
    }
  }
  if (options.has("stop")) config.stop = options.list("stop");
  if (const auto seed = options.integer("seed", 0, std::numeric_limits<std::int64_t>::max())) {
    config.seed = static_cast<std::uint64_t>(*seed);
  }
  return config;
}

}  // namespace attend::cli
