#include "loaders/tokenizers/regex.h"

namespace attend {

std::uint16_t RegexMatcher::class_at(std::uint32_t position, bool backward, std::uint32_t* length) const {
  if (backward ? position == 0 : position == text_.size()) return regex_.end_class_;
  const CodePoint c = backward ? decode_utf8_before(text_, position) : decode_utf8(text_, position);
  *length = static_cast<std::uint32_t>(c.length);
  return regex_.class_of(c.value);
}

bool RegexMatcher::has_failed(std::uint32_t split, std::uint32_t position) const {
  const std::size_t page = position >> kPageBits;
  if (page >= failed_.size() || failed_[page].empty()) return false;
  const std::size_t bit = (std::size_t{split} << kPageBits) + (position & ((1u << kPageBits) - 1));
  return (failed_[page][bit / 64] >> (bit % 64) & 1) != 0;
}

void RegexMatcher::mark_failed(std::uint32_t split, std::uint32_t position) {
  const std::size_t page = position >> kPageBits;
  if (page >= failed_.size()) failed_.resize((text_.size() >> kPageBits) + 1);
  if (failed_[page].empty()) failed_[page].resize((std::size_t{regex_.splits_} << kPageBits) / 64);
  const std::size_t bit = (std::size_t{split} << kPageBits) + (position & ((1u << kPageBits) - 1));
  failed_[page][bit / 64] |= std::uint64_t{1} << (bit % 64);
}

bool RegexMatcher::is_word_at(std::uint32_t position) const {
  if (position == text_.size()) return false;
  const char32_t c = decode_utf8(text_, position).value;
  if (c == 0x200C || c == 0x200D) return false;  // joiners are word characters elsewhere, not here
  return is_word_character(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE);
}

bool RegexMatcher::holds(RegexAssertion assertion, std::uint32_t position) const {
  const bool begin = position == 0, end = position == text_.size();
  switch (assertion) {
    case RegexAssertion::line_begin: return begin || (!end && text_[position - 1] == '\n');
    case RegexAssertion::line_end: return end || text_[position] == '\n';
    case RegexAssertion::text_begin: return begin;
    case RegexAssertion::text_end: return end;
    case RegexAssertion::text_end_newline:
      return end || (position + 1 == text_.size() && text_[position] == '\n');
    case RegexAssertion::word_boundary:
    case RegexAssertion::no_word_boundary: {
      bool before = false;
      if (!begin) {
        const auto length = static_cast<std::uint32_t>(decode_utf8_before(text_, position).length);
        before = is_word_at(position - length);
      }
      return (before != is_word_at(position)) == (assertion == RegexAssertion::word_boundary);
    }
  }
  return false;
}

// All states on the way to the end of an inner match lead there; the branches given up on the way had failed.
std::uint32_t RegexMatcher::accept(std::size_t base, std::uint32_t position, Purpose purpose) {
  if (remembering_ && purpose != Purpose::match)
    for (std::size_t i = base; i < stack_.size(); ++i)
      succeeded_.emplace(key(stack_[i].pc, stack_[i].position), position);
  stack_.resize(base);
  return position;
}

std::uint32_t RegexMatcher::run(std::uint32_t pc, std::uint32_t position, Purpose purpose) {
  const std::size_t base = stack_.size();
  for (;;) {
    ++steps_;
    const Regex::Instruction& instruction = regex_.program_[pc];
    bool failed = false;
    switch (instruction.op) {
      case Regex::Op::consume: {
        std::uint32_t length = 0;
        const std::uint16_t cls = class_at(position, instruction.backward, &length);
        failed = !regex_.in_set(instruction.set, cls);
        position = instruction.backward ? position - length : position + length;
        pc = instruction.next;
        break;
      }
      case Regex::Op::split: {
        std::uint32_t length = 0;
        const std::uint16_t cls = class_at(position, instruction.backward, &length);
        const bool first = may_succeed(instruction.next, cls), second = may_succeed(instruction.other, cls);
        remembering_ = remembering_ || steps_ > 4096 + std::uint64_t{64} * position;
        if (remembering_) {
          if (has_failed(instruction.split, position)) {
            failed = true;
            break;
          }
          if (purpose != Purpose::match) {
            const auto known = succeeded_.find(key(pc, position));
            if (known != succeeded_.end()) return accept(base, known->second, purpose);
          }
        }
        // A state with one way on needs a frame only to be remembered: it may begin a long way to a failure.
        if ((first && second) || remembering_) stack_.push_back({pc, position, !(first && second)});
        failed = !first && !second;
        pc = first ? instruction.next : instruction.other;
        break;
      }
      case Regex::Op::assertion:
        failed = !holds(instruction.assertion, position);
        pc = instruction.next;
        break;
      case Regex::Op::look:
        failed = (run(instruction.other, position, Purpose::look) != kNoMatch) == instruction.negated;
        pc = instruction.next;
        break;
      case Regex::Op::atomic: {
        const std::uint32_t end = run(instruction.other, position, Purpose::atomic);
        failed = end == kNoMatch;
        pc = end == position ? instruction.next_if_empty : instruction.next;
        position = end;
        break;
      }
      case Regex::Op::accept: return accept(base, position, purpose);
    }
    if (!failed) continue;
    while (stack_.size() > base && stack_.back().second) {
      if (remembering_) mark_failed(regex_.program_[stack_.back().pc].split, stack_.back().position);
      stack_.pop_back();
    }
    if (stack_.size() == base) return kNoMatch;
    Frame& frame = stack_.back();
    frame.second = true;
    pc = regex_.program_[frame.pc].other;
    position = frame.position;
  }
}

void RegexMatcher::find_all(std::string_view text, std::vector<MatchSpan>& spans) {
  spans.clear();
  const auto size = static_cast<std::uint32_t>(text.size());
  if (size == 0) {
    spans.push_back({0, 0, false});
    return;
  }
  text_ = text;
  steps_ = 0;
  remembering_ = false;
  failed_.clear();
  succeeded_.clear();
  std::uint32_t covered = 0, start = 0;
  std::uint32_t last_match_end = kNoMatch;
  while (start <= size) {
    std::uint32_t length = 1;
    const std::uint16_t cls = class_at(start, false, &length);
    std::uint32_t end = kNoMatch;
    if (may_succeed(regex_.entry_, cls)) {
      end = run(regex_.entry_, start, Purpose::match);
    }
    // An empty match where the last match ended does not count.
    if (end == kNoMatch || (end == start && end == last_match_end)) {
      start += length;
      continue;
    }
    if (covered != start) spans.push_back({covered, start, false});
    spans.push_back({start, end, true});
    covered = last_match_end = start = end;
  }
  if (covered != size) spans.push_back({covered, size, false});
}

}  // namespace attend
