#include "tools/cli/options.h"

// Values are taken as they are: a comma is part of the text.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cxxopts.hpp>
#include <iostream>
#include <string_view>
#include <utility>

#include "attend/error.h"
#include "tools/cli/suggest.h"

namespace attend::cli {
namespace {

constexpr std::size_t kHelpColumn = 34;

Error bad_value(const std::string& option, const std::string& expected, const std::string& found) {
  return usage_error("OPTION_VALUE", "--" + option, fmt::format("expected {}, found '{}'", expected, found));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::string left_column(const OptionSpec& spec) {
  std::string text = "  --" + spec.name;
  if (!spec.value_name.empty()) text += " " + spec.value_name;
  return text;
}

}  // namespace

struct Options::Parsed {
  cxxopts::ParseResult result;
};

Options::Options(std::string usage, std::string about, std::vector<std::string> examples)
    : usage_(std::move(usage)), about_(std::move(about)), examples_(std::move(examples)) {}

void Options::add_group(std::string title, std::vector<OptionSpec> specs) {
  groups_.push_back({std::move(title), std::move(specs)});
}

const OptionSpec* Options::find(const std::string& name) const {
  for (const Group& group : groups_) {
    for (const OptionSpec& spec : group.specs) {
      if (spec.name == name) return &spec;
    }
  }
  return nullptr;
}

// The arguments as cxxopts wants them: every option before its value (joined with "=", a value with a line
// break would not be taken), positional ones after "--".
std::vector<std::string> Options::checked(const std::vector<std::string>& arguments) const {
  std::vector<std::string> options;
  std::vector<std::string> positional;
  const auto add = [&](const std::string& name, const std::string& value) {
    options.push_back("--" + name);
    options.push_back(value);
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") {
      positional.insert(positional.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                        arguments.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      positional.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word == "-h" ? "help" : word.starts_with("--") ? word.substr(2, equals - 2) : "";
    const OptionSpec* spec = find(name);
    if (spec == nullptr) {
      std::vector<std::string> known;
      for (const Group& group : groups_) {
        for (const OptionSpec& each : group.specs) known.push_back(each.name);
      }
      const std::string bare = word.substr(std::min(word.find_first_not_of('-'), word.size()));
      throw usage_error("UNKNOWN_OPTION", word,
                        "there is no such option" +
                            did_you_mean(bare.substr(0, bare.find('=')), known, "--") +
                            " (an input that begins with '-' goes after '--')");
    }
    const bool has_value = equals != std::string::npos;
    const bool last = i + 1 == arguments.size();
    if (spec->kind == OptionKind::flag) {
      if (has_value) throw usage_error("OPTION_VALUE", "--" + name, "this option takes no value");
      options.push_back("--" + name);
    } else if (has_value) {
      add(name, word.substr(equals + 1));
    } else if (spec->kind == OptionKind::toggle) {
      const bool given = !last && (arguments[i + 1] == "true" || arguments[i + 1] == "false");
      add(name, given ? arguments[++i] : "true");
    } else if (last) {
      throw usage_error("OPTION_VALUE", "--" + name,
                        "this option needs a value: --" + name + " " + spec->value_name);
    } else {
      add(name, arguments[++i]);
    }
  }
  options.emplace_back("--");
  options.insert(options.end(), positional.begin(), positional.end());
  return options;
}

bool Options::parse(const std::vector<std::string>& arguments) {
  cxxopts::Options parser("attend");
  parser.add_options()("positional", "", cxxopts::value<std::vector<std::string>>());
  for (const Group& group : groups_) {
    for (const OptionSpec& spec : group.specs) {
      if (spec.kind == OptionKind::flag) {
        parser.add_options()(spec.name, "");
      } else {
        parser.add_options()(spec.name, "", cxxopts::value<std::vector<std::string>>());
      }
    }
  }
  parser.parse_positional({"positional"});
  const std::vector<std::string> words = checked(arguments);
  std::vector<const char*> argv{"attend"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    parsed_ = std::make_shared<Parsed>(Parsed{parser.parse(static_cast<int>(argv.size()), argv.data())});
  } catch (const std::exception& error) {  // the exception types of cxxopts differ between its versions
    throw usage_error("OPTION", "attend", error.what());
  }
  if (parsed_->result.count("help") > 0) {
    std::cout << help() << std::flush;
    return false;
  }
  positional_ = list("positional");
  return true;
}

bool Options::has(const std::string& name) const {
  return parsed_->result.count(name) > 0;
}

bool Options::flag(const std::string& name) const {
  const OptionSpec* spec = find(name);
  if (spec == nullptr || spec->kind == OptionKind::flag) return has(name);
  const std::optional<std::string> value = text(name);
  if (value && *value != "true" && *value != "false") throw bad_value(name, "true or false", *value);
  return value == "true";
}

std::optional<std::string> Options::text(const std::string& name) const {
  const std::vector<std::string> values = list(name);
  if (values.empty()) return std::nullopt;
  return values.back();
}

std::vector<std::string> Options::list(const std::string& name) const {
  if (parsed_->result.count(name) == 0) return {};
  return parsed_->result[name].as<std::vector<std::string>>();
}

std::optional<std::int64_t> Options::integer(const std::string& name, std::int64_t minimum,
                                             std::int64_t maximum) const {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<std::int64_t> parsed = parse_number<std::int64_t>(*value);
  if (!parsed || *parsed < minimum || *parsed > maximum) {
    throw bad_value(name, fmt::format("an integer from {} to {}", minimum, maximum), *value);
  }
  return parsed;
}

std::optional<double> Options::number(const std::string& name, double minimum, double maximum) const {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  const std::optional<double> parsed = parse_number<double>(*value);
  if (!parsed || !(*parsed >= minimum && *parsed <= maximum)) {
    const std::string expected = std::isinf(maximum)
                                     ? fmt::format("a number of at least {}", minimum)
                                     : fmt::format("a number from {} to {}", minimum, maximum);
    throw bad_value(name, std::isinf(minimum) ? "a number" : expected, *value);
  }
  return parsed;
}

std::string Options::help() const {
  std::string text = "usage: attend " + usage_ + "\n\n" + about_ + "\n";
  for (const Group& group : groups_) {
    text += "\n" + group.title + ":\n";
    for (const OptionSpec& spec : group.specs) {
      std::string line = left_column(spec);
      line.resize(std::max(line.size() + 2, kHelpColumn), ' ');
      text += line + spec.help + "\n";
    }
  }
  if (!examples_.empty()) text += "\nExamples:\n";
  for (const std::string& example : examples_) text += "  " + example + "\n";
  return text;
}

std::vector<std::int32_t> parse_ids(const std::string& option, const std::string& text) {
  std::vector<std::int32_t> ids;
  std::string_view rest = text;
  for (;;) {
    const std::size_t comma = rest.find(',');
    std::string_view word = rest.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const std::optional<std::int32_t> id = parse_number<std::int32_t>(word);
    if (!id) throw bad_value(option, "ids such as 5,6,7", text);
    ids.push_back(*id);
    if (comma == std::string_view::npos) return ids;
    rest.remove_prefix(comma + 1);
  }
}

std::uint64_t parse_bytes(const std::string& option, const std::string& text) {
  const char* const expected = "a size such as 512M or 1.5G";
  std::string_view digits = text;
  if (digits.ends_with('B') || digits.ends_with('b')) digits.remove_suffix(1);
  if (digits.ends_with('i')) digits.remove_suffix(1);
  double factor = 1;
  constexpr std::string_view kUnits = "KMGTkmgt";
  if (!digits.empty() && kUnits.find(digits.back()) != std::string_view::npos) {
    factor = std::pow(1024.0, static_cast<double>(kUnits.find(digits.back()) % 4 + 1));
    digits.remove_suffix(1);
  }
  const std::optional<double> value = parse_number<double>(digits);
  constexpr double kLargest = 9.0e18;
  if (!value || !(*value > 0) || *value * factor > kLargest) throw bad_value(option, expected, text);
  return static_cast<std::uint64_t>(*value * factor);
}

}  // namespace attend::cli
