#include "loaders/files/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "attend/error.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

using Type = PickleValue::Type;

// About eight containers and twelve values a tensor: enough for 2^18 tensors.
constexpr std::size_t kMaxContainers = std::size_t{1} << 21;
constexpr std::size_t kMaxItems = std::size_t{1} << 23;
constexpr std::size_t kMaxStrings = std::size_t{1} << 21;
constexpr std::size_t kMaxStack = std::size_t{1} << 21;
constexpr std::size_t kMaxMemo = std::size_t{1} << 22;
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;
constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

PickleValue make_value(Type type, std::int64_t integer) {
  return {type, integer};
}

// pickletools' names, for refusals.
std::string_view opcode_name(unsigned char opcode) {
  switch (opcode) {
    case 'i': return "INST";
    case 'o': return "OBJ";
    case 0x81: return "NEWOBJ";
    case 0x92: return "NEWOBJ_EX";
    case 0x93: return "STACK_GLOBAL";
    case 0x82: return "EXT1";
    case 0x83: return "EXT2";
    case 0x84: return "EXT4";
    case 'P': return "PERSID";
    case 'p': return "PUT";
    case 'g': return "GET";
    case 'I': return "INT";
    case 'L': return "LONG";
    case 'F': return "FLOAT";
    case 'S': return "STRING";
    case 'V': return "UNICODE";
    case 'd': return "DICT";
    case 'l': return "LIST";
    case '0': return "POP";
    case '1': return "POP_MARK";
    case '2': return "DUP";
    case 'B': return "BINBYTES";
    case 'C': return "SHORT_BINBYTES";
    case 0x8B: return "LONG4";
    case 0x8C: return "SHORT_BINUNICODE";
    case 0x8F: return "EMPTY_SET";
    case 0x94: return "MEMOIZE";
    case 0x95: return "FRAME";
    default: return "unknown";
  }
}

}  // namespace

PickleMachine::PickleMachine(const File& file, std::uint64_t begin, std::uint64_t end, std::string where,
                             PickleHost& host)
    : file_(file), position_(begin), end_(end), where_(std::move(where)), host_(host) {}

void PickleMachine::refuse(const char* kind, std::string message) const {
  throw Error(kind, where_, fmt::format("offset {}: {}", opcode_at_, message));
}

std::span<const unsigned char> PickleMachine::take(std::size_t size) {
  if (size > end_ - position_) refuse("PT_PICKLE", "the pickle ends in the middle of a value");
  const std::uint64_t buffered = buffer_begin_ + buffer_.size();
  if (position_ < buffer_begin_ || position_ + size > buffered) {
    buffer_.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(size, kBufferBytes), end_ - position_)));
    file_.read(position_, std::as_writable_bytes(std::span(buffer_)), "PT_FILE_CHANGED");
    buffer_begin_ = position_;
  }
  const std::span<const unsigned char> out(buffer_.data() + (position_ - buffer_begin_), size);
  position_ += size;
  return out;
}

// Little-endian.
std::uint64_t PickleMachine::take_unsigned(std::size_t size) {
  const std::span<const unsigned char> bytes = take(size);
  std::uint64_t out = 0;
  for (std::size_t i = size; i-- > 0;) out = out << 8U | bytes[i];
  return out;
}

std::string_view PickleMachine::take_line() {
  line_.clear();
  for (;;) {
    const auto byte = static_cast<char>(take(1)[0]);
    if (byte == '\n') return line_;
    line_ += byte;
    if (line_.size() > 1024) refuse("PT_PICKLE", "a name of more than 1024 bytes");
  }
}

void PickleMachine::push(PickleValue value) {
  if (stack_.size() == kMaxStack)
    refuse("PT_LIMIT", fmt::format("more than {} values on the stack", kMaxStack));
  stack_.push_back(value);
}

PickleValue PickleMachine::pop() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size())) {
    refuse("PT_PICKLE", "a value is taken from an empty stack");
  }
  const PickleValue value = stack_.back();
  stack_.pop_back();
  return value;
}

std::vector<PickleValue> PickleMachine::pop_to_mark() {
  if (marks_.empty()) refuse("PT_PICKLE", "the stack has no mark");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleValue> out(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return out;
}

PickleValue PickleMachine::make_container(Type type, std::vector<PickleValue> items) {
  if (containers_.size() == kMaxContainers) {
    refuse("PT_LIMIT", fmt::format("more than {} containers", kMaxContainers));
  }
  count_items(items.size());
  containers_.push_back(std::move(items));
  return make_value(type, static_cast<std::int64_t>(containers_.size() - 1));
}

void PickleMachine::count_items(std::size_t items) {
  items_ += items;
  if (items_ > kMaxItems) refuse("PT_LIMIT", fmt::format("more than {} values in containers", kMaxItems));
}

void PickleMachine::append(Type type, std::span<const PickleValue> items) {
  if (type == Type::dict && items.size() % 2 != 0) refuse("PT_PICKLE", "a key without a value");
  count_items(items.size());
  std::vector<PickleValue>& container = container_on_top(type);
  container.insert(container.end(), items.begin(), items.end());
}

PickleValue PickleMachine::make_dict(std::vector<PickleValue> keys_and_values) {
  return make_container(Type::dict, std::move(keys_and_values));
}

PickleValue PickleMachine::make_string(std::span<const unsigned char> bytes) {
  if (strings_.size() == kMaxStrings) refuse("PT_LIMIT", fmt::format("more than {} strings", kMaxStrings));
  strings_.emplace_back(bytes.begin(), bytes.end());
  return make_value(Type::string, static_cast<std::int64_t>(strings_.size() - 1));
}

std::span<const PickleValue> PickleMachine::items(const PickleValue& container) const {
  if (container.type != Type::tuple && container.type != Type::list && container.type != Type::dict)
    return {};
  return containers_[static_cast<std::size_t>(container.integer)];
}

std::string_view PickleMachine::text(const PickleValue& string) const {
  if (string.type != Type::string) return {};
  return strings_[static_cast<std::size_t>(string.integer)];
}

std::string PickleMachine::describe(const PickleValue& value) const {
  switch (value.type) {
    case Type::none: return "None";
    case Type::boolean: return value.integer ? "True" : "False";
    case Type::integer: return fmt::format("the number {}", value.integer);
    case Type::real: return fmt::format("the number {}", std::bit_cast<double>(value.integer));
    case Type::string: return "the string " + quote_text(text(value));
    case Type::tuple: return fmt::format("a tuple of {}", items(value).size());
    case Type::list: return fmt::format("a list of {}", items(value).size());
    case Type::dict: return fmt::format("a dict of {}", items(value).size() / 2);
    case Type::global: return "a class or function";
    case Type::host: return "a tensor or storage";
  }
  return "an unknown value";
}

std::vector<PickleValue>& PickleMachine::container_on_top(Type type) {
  if (stack_.empty() || stack_.back().type != type) {
    refuse("PT_PICKLE",
           type == Type::dict ? "expected a dict to set items of" : "expected a list to append to");
  }
  return containers_[static_cast<std::size_t>(stack_.back().integer)];
}

void PickleMachine::put(std::uint64_t index) {
  if (stack_.empty()) refuse("PT_PICKLE", "nothing to remember");
  // Writers number values one after the other, from 0 or 1.
  if (index > memo_.size() + 1) refuse("PT_PICKLE", fmt::format("memo index {} leaves a gap", index));
  if (index >= kMaxMemo) refuse("PT_LIMIT", fmt::format("more than {} remembered values", kMaxMemo));
  if (index >= memo_.size()) memo_.resize(static_cast<std::size_t>(index) + 1);
  memo_[static_cast<std::size_t>(index)] = stack_.back();
}

void PickleMachine::get(std::uint64_t index) {
  if (index >= memo_.size()) refuse("PT_PICKLE", fmt::format("memo index {} was never set", index));
  push(memo_[static_cast<std::size_t>(index)]);
}

bool PickleMachine::step_number(unsigned char opcode) {
  switch (opcode) {
    case 'N': push({}); return true;
    case 0x88: push(make_value(Type::boolean, 1)); return true;
    case 0x89: push(make_value(Type::boolean, 0)); return true;
    case 'K': push(make_value(Type::integer, static_cast<std::int64_t>(take_unsigned(1)))); return true;
    case 'M': push(make_value(Type::integer, static_cast<std::int64_t>(take_unsigned(2)))); return true;
    case 'J':
      push(
          make_value(Type::integer, static_cast<std::int32_t>(static_cast<std::uint32_t>(take_unsigned(4)))));
      return true;
    case 0x8A: {  // LONG1: two's complement of the given number of bytes
      const auto size = static_cast<std::size_t>(take_unsigned(1));
      if (size > 8) refuse("PT_PICKLE", fmt::format("an integer of {} bytes", size));
      std::uint64_t bits = take_unsigned(size);
      if (size > 0 && size < 8 && (bits >> (8 * size - 1)) != 0) bits |= ~std::uint64_t{0} << (8 * size);
      push(make_value(Type::integer, static_cast<std::int64_t>(bits)));
      return true;
    }
    case 'G': {  // BINFLOAT: big-endian
      std::uint64_t bits = 0;
      for (const unsigned char byte : take(8)) bits = bits << 8U | byte;
      push(make_value(Type::real, static_cast<std::int64_t>(bits)));
      return true;
    }
    default: return false;
  }
}

bool PickleMachine::step_text(unsigned char opcode) {
  std::size_t size = 0;
  switch (opcode) {
    case 'U': size = static_cast<std::size_t>(take_unsigned(1)); break;
    case 'X':
    case 'T': size = static_cast<std::size_t>(take_unsigned(4)); break;
    default: return false;
  }
  if (size > kMaxTextBytes)
    refuse("PT_LIMIT", fmt::format("a string of {} bytes, at most {} are accepted", size, kMaxTextBytes));
  push(make_string(take(size)));
  return true;
}

bool PickleMachine::step_memo(unsigned char opcode) {
  switch (opcode) {
    case 'q': put(take_unsigned(1)); return true;
    case 'r': put(take_unsigned(4)); return true;
    case 'h': get(take_unsigned(1)); return true;
    case 'j': get(take_unsigned(4)); return true;
    default: return false;
  }
}

bool PickleMachine::step_container(unsigned char opcode) {
  switch (opcode) {
    case '(': marks_.push_back(stack_.size()); break;
    case ')': push(make_container(Type::tuple, {})); break;
    case ']': push(make_container(Type::list, {})); break;
    case '}': push(make_container(Type::dict, {})); break;
    case 't': push(make_container(Type::tuple, pop_to_mark())); break;
    case 0x85:
    case 0x86:
    case 0x87: {
      std::vector<PickleValue> items(opcode - 0x84U);
      for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
      push(make_container(Type::tuple, std::move(items)));
      break;
    }
    case 'a': {
      const PickleValue item = pop();
      append(Type::list, {&item, 1});
      break;
    }
    case 'e': append(Type::list, pop_to_mark()); break;
    case 's': {
      PickleValue entry[2];
      entry[1] = pop();
      entry[0] = pop();
      append(Type::dict, entry);
      break;
    }
    case 'u': append(Type::dict, pop_to_mark()); break;
    default: return false;
  }
  if (marks_.size() > kMaxStack) refuse("PT_LIMIT", fmt::format("more than {} marks", kMaxStack));
  return true;
}

bool PickleMachine::step_object(unsigned char opcode) {
  switch (opcode) {
    case 'c': {
      const std::string module(take_line());
      const std::string name(take_line());
      const int global = host_.find_global(module, name);
      if (global < 0) {
        refuse("PT_GLOBAL_REFUSED", fmt::format("the file asks for {}.{}, which is not part of a checkpoint "
                                                "of tensors; nothing of it was run. "
                                                "Save the state dict alone, or as safetensors",
                                                quote_text(module), quote_text(name)));
      }
      push(make_value(Type::global, global));
      return true;
    }
    case 'R': {
      const PickleValue args = pop();
      const PickleValue global = pop();
      if (global.type != Type::global || args.type != Type::tuple) {
        refuse("PT_PICKLE", "expected a call of a function with a tuple, found " + describe(global));
      }
      const std::vector<PickleValue> copy(items(args).begin(), items(args).end());
      push(host_.call(*this, static_cast<int>(global.integer), copy));
      return true;
    }
    case 'b': {  // attributes of a state dict (_metadata): nothing that a tensor needs
      pop();
      if (stack_.empty() || stack_.back().type != Type::dict) {
        refuse("PT_OPCODE", "BUILD is only accepted on a dict");
      }
      return true;
    }
    case 'Q': {
      const PickleValue id = pop();
      push(host_.load_persistent(*this, id));
      return true;
    }
    default: return false;
  }
}

void PickleMachine::step(unsigned char opcode) {
  if (step_number(opcode) || step_text(opcode) || step_memo(opcode) || step_container(opcode) ||
      step_object(opcode)) {
    return;
  }
  refuse("PT_OPCODE", fmt::format("the pickle opcode 0x{:02X} ({}) is not accepted in a checkpoint", opcode,
                                  opcode_name(opcode)));
}

PickleValue PickleMachine::run() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  opcode_at_ = position_;
  if (take_unsigned(1) != 0x80) refuse("PT_PICKLE", "expected a pickle of protocol 2");
  if (const std::uint64_t protocol = take_unsigned(1); protocol != 2) {
    refuse("PT_PICKLE",
           fmt::format("expected a pickle of protocol 2, as torch.save writes, found {}", protocol));
  }
  for (;;) {
    opcode_at_ = position_;
    const auto opcode = static_cast<unsigned char>(take_unsigned(1));
    if (opcode == '.') return pop();
    step(opcode);
  }
}

}  // namespace attend
