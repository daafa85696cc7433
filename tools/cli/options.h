// Options of a subcommand: declared in a table, parsed by cxxopts, errors that name the nearest option.
//
// Every option takes its value as the next word, whatever that word begins with; a switch takes none.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attend::cli {

enum class OptionKind {
  value,   // --name VALUE, the last one counts
  list,    // --name VALUE, may be repeated
  flag,    // --name
  toggle,  // --name, --name true or --name false
};

struct OptionSpec {
  std::string name;  // without the dashes
  OptionKind kind;
  std::string value_name;  // shown in the help
  std::string help;
};

class Options {
 public:
  // `usage` is the line after "attend ", `examples` whole lines.
  Options(std::string usage, std::string about, std::vector<std::string> examples);

  void add_group(std::string title, std::vector<OptionSpec> specs);

  // Throws a usage Error for an unknown option (with a suggestion) or a value that is missing.
  // False when --help was asked for and has been printed.
  bool parse(const std::vector<std::string>& arguments);

  const std::vector<std::string>& positional() const { return positional_; }
  bool has(const std::string& name) const;
  bool flag(const std::string& name) const;
  std::optional<std::string> text(const std::string& name) const;
  std::vector<std::string> list(const std::string& name) const;
  // Throw a usage Error that names the option, the range and what was found.
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t minimum,
                                      std::int64_t maximum) const;
  std::optional<double> number(const std::string& name, double minimum, double maximum) const;

  std::string help() const;

 private:
  struct Group {
    std::string title;
    std::vector<OptionSpec> specs;
  };
  struct Parsed;

  const OptionSpec* find(const std::string& name) const;
  std::vector<std::string> checked(const std::vector<std::string>& arguments) const;

  std::string usage_;
  std::string about_;
  std::vector<std::string> examples_;
  std::vector<Group> groups_;
  std::vector<std::string> positional_;
  std::shared_ptr<const Parsed> parsed_;
};

// "5,6,7" as ids; throws a usage Error that names the option.
std::vector<std::int32_t> parse_ids(const std::string& option, const std::string& text);
// "512", "512K", "1.5G" (powers of 1024) as bytes; throws a usage Error that names the option.
std::uint64_t parse_bytes(const std::string& option, const std::string& text);

}  // namespace attend::cli
