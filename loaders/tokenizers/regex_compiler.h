// From the syntax tree to a program; used by Regex alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "loaders/tokenizers/regex.h"

namespace attend {

class RegexCompiler {
 public:
  RegexCompiler(Regex& regex, const std::string& where) : regex_(regex), where_(where) {}
  void compile(const RegexNode& root);

 private:
  // Instructions to go on with when nothing was consumed in the current iteration of the innermost loop, and
  // when something was. An iteration that consumes nothing ends its loop, as in the reference.
  struct Next {
    std::uint32_t empty, consumed;
    bool same() const { return empty == consumed; }
  };

  std::uint32_t node(const RegexNode& node, Next next, bool backward);
  std::uint32_t concat(const RegexNode& node, Next next, bool backward);
  std::uint32_t repeat(const RegexNode& node, Next next, bool backward);
  Next before(const RegexNode& node, Next next, bool backward);
  std::uint32_t branch(std::uint32_t first, std::uint32_t second, bool greedy, bool backward);
  std::uint32_t emit(Regex::Instruction instruction);
  [[noreturn]] void too_large() const;
  void number_classes();
  void find_first_sets();

  Regex& regex_;
  const std::string& where_;
  std::size_t visits_ = 0;
  std::vector<CodePointSet> sets_;
};

}  // namespace attend
