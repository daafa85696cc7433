// A reader of Python pickles that can build plain values and nothing else.
//
// A pickle is a program for a stack machine (Python's pickletools.py documents each opcode). This machine
// knows the opcodes that torch.save writes (protocol 2). A global is only ever looked up in the host's short
// list, a call only ever goes to the host: no code of the pickle's choosing runs. Nodes, stack and memo are
// bounded, and values refer to each other by number, so that cycles and depth do no harm.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/files/file.h"

namespace attend {

struct PickleValue {
  enum class Type : std::uint8_t { none, boolean, integer, real, string, tuple, list, dict, global, host };
  Type type = Type::none;
  // Also boolean, the number of a string, container, global or host object, and the bits of a real.
  std::int64_t integer = 0;
};

class PickleMachine;

// What a pickle may refer to.
class PickleHost {
 public:
  virtual ~PickleHost() = default;
  // Number of an allowed global, or -1.
  virtual int find_global(std::string_view module, std::string_view name) const = 0;
  // Calls an allowed global.
  virtual PickleValue call(PickleMachine& machine, int global, std::span<const PickleValue> args) = 0;
  // The object of a persistent id (torch: a storage).
  virtual PickleValue load_persistent(PickleMachine& machine, const PickleValue& id) = 0;
};

class PickleMachine {
 public:
  // Runs over the bytes [begin, end) of `file`; `where` names them in messages.
  PickleMachine(const File& file, std::uint64_t begin, std::uint64_t end, std::string where,
                PickleHost& host);

  // Runs until STOP; may be called again for a pickle that follows. Throws PT_PICKLE (malformed),
  // PT_OPCODE, PT_GLOBAL_REFUSED, PT_LIMIT, and what the host throws.
  PickleValue run();
  // Offset in the file of the next byte.
  std::uint64_t position() const { return position_; }

  // Items of a tuple or list; keys and values in turn of a dict.
  std::span<const PickleValue> items(const PickleValue& container) const;
  std::string_view text(const PickleValue& string) const;
  PickleValue make_dict(std::vector<PickleValue> keys_and_values);
  // "a tuple of 3", "the string "x"".
  std::string describe(const PickleValue& value) const;
  // Throws about the opcode that is being run.
  [[noreturn]] void refuse(const char* kind, std::string message) const;

 private:
  void step(unsigned char opcode);
  bool step_number(unsigned char opcode);
  bool step_text(unsigned char opcode);
  bool step_memo(unsigned char opcode);
  bool step_container(unsigned char opcode);
  bool step_object(unsigned char opcode);

  std::span<const unsigned char> take(std::size_t size);
  std::uint64_t take_unsigned(std::size_t size);
  std::string_view take_line();

  void push(PickleValue value);
  PickleValue pop();
  std::vector<PickleValue> pop_to_mark();
  PickleValue make_container(PickleValue::Type type, std::vector<PickleValue> items);
  PickleValue make_string(std::span<const unsigned char> bytes);
  std::vector<PickleValue>& container_on_top(PickleValue::Type type);
  void append(PickleValue::Type type, std::span<const PickleValue> items);
  void count_items(std::size_t items);
  void put(std::uint64_t index);
  void get(std::uint64_t index);

  const File& file_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::uint64_t opcode_at_ = 0;
  std::string where_;
  PickleHost& host_;
  std::vector<unsigned char> buffer_;  // bytes [buffer_begin_, ...) of the file
  std::uint64_t buffer_begin_ = 0;
  std::string line_;

  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleValue> memo_;
  std::deque<std::string> strings_;
  std::deque<std::vector<PickleValue>> containers_;
  std::size_t items_ = 0;  // in all containers
};

}  // namespace attend
