#include "loaders/tokenizers/regex_compiler.h"

#include <fmt/format.h>

#include <algorithm>

#include "attend/error.h"

namespace attend {
namespace {

constexpr std::size_t kMaxInstructions = 16384;
constexpr std::size_t kMaxSplits = 2048;
constexpr std::size_t kMaxVisits = 1u << 20;
constexpr std::size_t kMaxClasses = 4096;

// May the node match without consuming anything?
bool is_nullable(const RegexNode& node) {
  const auto nullable = [](const RegexNodePtr& child) { return is_nullable(*child); };
  switch (node.kind) {
    case RegexNode::Kind::set: return false;
    case RegexNode::Kind::concat: return std::all_of(node.children.begin(), node.children.end(), nullable);
    case RegexNode::Kind::alternate: return std::any_of(node.children.begin(), node.children.end(), nullable);
    case RegexNode::Kind::repeat: return node.min == 0 || is_nullable(*node.children.front());
    case RegexNode::Kind::atomic: return is_nullable(*node.children.front());
    case RegexNode::Kind::empty:
    case RegexNode::Kind::look:
    case RegexNode::Kind::assertion: return true;
  }
  return true;
}

}  // namespace

void RegexCompiler::too_large() const {
  throw Error("TOK_REGEX_UNSUPPORTED", where_,
              fmt::format("the pattern becomes a program of more than {} instructions or {} branches",
                          kMaxInstructions, kMaxSplits));
}

std::uint32_t RegexCompiler::emit(Regex::Instruction instruction) {
  if (regex_.program_.size() >= kMaxInstructions || regex_.splits_ >= kMaxSplits) too_large();
  if (instruction.op == Regex::Op::split) instruction.split = regex_.splits_++;
  regex_.program_.push_back(instruction);
  return static_cast<std::uint32_t>(regex_.program_.size() - 1);
}

std::uint32_t RegexCompiler::branch(std::uint32_t first, std::uint32_t second, bool greedy, bool backward) {
  Regex::Instruction split{.op = Regex::Op::split, .backward = backward};
  split.next = greedy ? first : second;
  split.other = greedy ? second : first;
  return emit(split);
}

std::uint32_t RegexCompiler::node(const RegexNode& node, Next next, bool backward) {
  if (++visits_ > kMaxVisits) too_large();
  switch (node.kind) {
    case RegexNode::Kind::empty: return next.empty;
    case RegexNode::Kind::set: {
      auto found = std::find_if(sets_.begin(), sets_.end(),
                                [&](const CodePointSet& set) { return set.ranges() == node.set.ranges(); });
      if (found == sets_.end()) found = sets_.insert(sets_.end(), node.set);
      return emit({.op = Regex::Op::consume,
                   .backward = backward,
                   .set = static_cast<std::uint32_t>(found - sets_.begin()),
                   .next = next.consumed});
    }
    case RegexNode::Kind::assertion:
      return emit({.op = Regex::Op::assertion, .assertion = node.assertion, .next = next.empty});
    case RegexNode::Kind::concat: return concat(node, next, backward);
    case RegexNode::Kind::alternate: {
      std::uint32_t all = this->node(*node.children.back(), next, backward);
      for (std::size_t i = node.children.size() - 1; i-- > 0;)
        all = branch(this->node(*node.children[i], next, backward), all, true, backward);
      return all;
    }
    case RegexNode::Kind::repeat: return repeat(node, next, backward);
    case RegexNode::Kind::atomic: {
      const std::uint32_t end = emit({.op = Regex::Op::accept});
      const std::uint32_t inner = this->node(*node.children.front(), {end, end}, backward);
      return emit(
          {.op = Regex::Op::atomic, .next = next.consumed, .other = inner, .next_if_empty = next.empty});
    }
    case RegexNode::Kind::look: {
      const std::uint32_t end = emit({.op = Regex::Op::accept});
      const std::uint32_t inner = this->node(*node.children.front(), {end, end}, node.behind);
      return emit({.op = Regex::Op::look, .negated = node.negated, .next = next.empty, .other = inner});
    }
  }
  return next.empty;
}

// What to go on with, in both states, so that `node` is matched before `next`.
RegexCompiler::Next RegexCompiler::before(const RegexNode& node, Next next, bool backward) {
  const std::uint32_t consumed = this->node(node, {next.consumed, next.consumed}, backward);
  return {next.same() || !is_nullable(node) ? consumed : this->node(node, next, backward), consumed};
}

std::uint32_t RegexCompiler::concat(const RegexNode& node, Next next, bool backward) {
  const std::size_t count = node.children.size();
  for (std::size_t i = 0; i < count; ++i)
    next = before(*node.children[backward ? i : count - 1 - i], next, backward);
  return next.empty;
}

std::uint32_t RegexCompiler::repeat(const RegexNode& node, Next next, bool backward) {
  const RegexNode& child = *node.children.front();
  std::size_t copies = node.min;
  const Next exit = next;
  if (node.max == RegexNode::kUnlimited) {
    const std::uint32_t loop = emit({.op = Regex::Op::split, .backward = backward});
    const bool nullable = is_nullable(child);
    const std::uint32_t body = this->node(child, {nullable ? exit.consumed : loop, loop}, backward);
    regex_.program_[loop].next = node.greedy ? body : exit.consumed;
    regex_.program_[loop].other = node.greedy ? exit.consumed : body;
    const std::uint32_t empty_body =
        exit.same() || !nullable ? body : this->node(child, {exit.empty, loop}, backward);
    if (copies > 0) {
      // x+ is the loop entered at its body.
      next = {empty_body, body};
      --copies;
    } else {
      next = {exit.same() ? loop : branch(empty_body, exit.empty, node.greedy, backward), loop};
    }
  } else {
    for (std::size_t i = node.min; i < node.max; ++i) {
      if (++visits_ > kMaxVisits) too_large();
      const Next one = before(child, next, backward);
      const std::uint32_t consumed = branch(one.consumed, exit.consumed, node.greedy, backward);
      next = {exit.same() ? consumed : branch(one.empty, exit.empty, node.greedy, backward), consumed};
    }
  }
  for (std::size_t i = 0; i < copies; ++i) next = before(child, next, backward);
  return next.empty;
}

// Characters that belong to the same sets are one class.
void RegexCompiler::number_classes() {
  std::vector<char32_t> bounds = {0};
  for (const CodePointSet& set : sets_)
    for (const auto& [first, last] : set.ranges()) {
      bounds.push_back(first);
      if (last < 0x10FFFF) bounds.push_back(last + 1);
    }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());

  // Membership of each stretch between two bounds, as a row of bits; equal rows get equal numbers.
  const std::size_t words = sets_.size() / 64 + 1;
  std::vector<std::uint64_t> rows(bounds.size() * words, 0);
  for (std::size_t s = 0; s < sets_.size(); ++s)
    for (const auto& [first, last] : sets_[s].ranges())
      for (auto i = static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), first) -
                                             bounds.begin());
           i < bounds.size() && bounds[i] <= last; ++i)
        rows[i * words + s / 64] |= std::uint64_t{1} << (s % 64);
  std::vector<std::pair<char32_t, std::uint16_t>> runs;
  std::vector<std::size_t> examples;  // a stretch of each class
  std::unordered_map<std::string, std::uint16_t> numbers;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const std::string row(reinterpret_cast<const char*>(&rows[i * words]), words * sizeof(std::uint64_t));
    const auto [it, inserted] = numbers.try_emplace(row, static_cast<std::uint16_t>(examples.size()));
    if (inserted) examples.push_back(i);
    if (examples.size() > kMaxClasses) too_large();
    runs.emplace_back(bounds[i], it->second);
  }
  const std::size_t classes = examples.size();
  regex_.end_class_ = static_cast<std::uint16_t>(classes);
  regex_.words_ = classes / 64 + 1;
  regex_.class_sets_.assign(std::max<std::size_t>(1, sets_.size()) * regex_.words_, 0);
  for (std::size_t s = 0; s < sets_.size(); ++s)
    for (std::size_t c = 0; c < classes; ++c)
      if ((rows[examples[c] * words + s / 64] >> (s % 64) & 1) != 0)
        regex_.class_sets_[s * regex_.words_ + c / 64] |= std::uint64_t{1} << (c % 64);
  regex_.classes_ = std::make_shared<const CodePointTable<std::uint16_t>>(runs);
  for (char32_t c = 0; c < 128; ++c) regex_.ascii_classes_[c] = (*regex_.classes_)[c];
}

// Least fixed point: an instruction may succeed with what it consumes, or with what one of its successors
// may.
void RegexCompiler::find_first_sets() {
  const std::size_t words = regex_.words_;
  std::vector<std::uint64_t>& first = regex_.first_;
  first.assign(regex_.program_.size() * words, 0);
  bool changed = true;
  const auto include = [&](std::size_t to, const std::uint64_t* from) {
    for (std::size_t w = 0; w < words; ++w) {
      const std::uint64_t merged = first[to * words + w] | from[w];
      changed |= merged != first[to * words + w];
      first[to * words + w] = merged;
    }
  };
  const std::vector<std::uint64_t> everything(words, ~std::uint64_t{0});
  while (changed) {
    changed = false;
    for (std::size_t i = regex_.program_.size(); i-- > 0;) {
      const Regex::Instruction& instruction = regex_.program_[i];
      switch (instruction.op) {
        case Regex::Op::consume: include(i, &regex_.class_sets_[instruction.set * words]); break;
        case Regex::Op::split:
          include(i, &first[instruction.next * words]);
          include(i, &first[instruction.other * words]);
          break;
        case Regex::Op::assertion:
        case Regex::Op::look: include(i, &first[instruction.next * words]); break;
        case Regex::Op::atomic:
        case Regex::Op::accept: include(i, everything.data()); break;
      }
    }
  }
}

void RegexCompiler::compile(const RegexNode& root) {
  const std::uint32_t end = emit({.op = Regex::Op::accept});
  regex_.entry_ = node(root, {end, end}, false);
  number_classes();
  find_first_sets();
}

Regex::Regex(const RegexNode& root, const std::string& where) {
  RegexCompiler(*this, where).compile(root);
}

Regex Regex::compile(std::string_view pattern, const std::string& where) {
  return Regex(*parse_regex(pattern, where), where);
}

Regex Regex::literal(std::string_view text, const std::string& where) {
  RegexNode root;
  root.kind = RegexNode::Kind::concat;
  for_each_code_point(text, [&](char32_t c, std::size_t) {
    root.children.push_back(std::make_unique<RegexNode>());
    root.children.back()->kind = RegexNode::Kind::set;
    root.children.back()->set = CodePointSet::of(c, c);
  });
  return Regex(root, where);
}

}  // namespace attend
