// Text to JsonDocument, on the event interface of nlohmann's parser.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/files/file.h"
#include "loaders/files/file_kind.h"
#include "loaders/files/json.h"
#include "loaders/files/json_arena.h"
#include "loaders/files/json_scanner.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

// What went wrong, before file name and position are added.
struct Fault {
  const std::string* kind = nullptr;  // null: none
  std::string message;
};

}  // namespace

// Receives the parser's events. Members and elements of open containers wait on two stacks and move to the
// arena when their container closes.
class JsonBuilder {
 public:
  explicit JsonBuilder(const JsonLimits& limits) : limits_(limits) {
    document_.arena_ = std::make_unique<JsonArena>();
  }

  // The event interface; false stops the parser.
  bool null() { return add({}); }
  bool boolean(bool value) {
    JsonValue v;
    v.type_ = JsonType::boolean;
    v.boolean_ = value;
    return add(v);
  }
  bool number_integer(std::int64_t value) {
    JsonValue v;
    v.type_ = JsonType::int64;
    v.int64_ = value;
    if (value >= 0) {  // "-0"
      v.type_ = JsonType::uint64;
      v.uint64_ = static_cast<std::uint64_t>(value);
    }
    return add(v);
  }
  bool number_unsigned(std::uint64_t value) {
    JsonValue v;
    v.type_ = JsonType::uint64;
    v.uint64_ = value;
    return add(v);
  }
  bool number_float(double, const std::string& text) { return add(text_value(JsonType::number_text, text)); }
  bool string(const std::string& text) { return add(text_value(JsonType::string, text)); }
  bool binary(const std::vector<std::uint8_t>&) { return false; }  // not in JSON text

  bool start_object(std::size_t) { return open(true); }
  bool start_array(std::size_t) { return open(false); }
  bool key(const std::string& text) {
    if (frames_.size() == 1 && members_.size() == limits_.max_root_members) {
      return stop(limits_.kinds.count, fmt::format("more than {} entries", limits_.max_root_members));
    }
    members_.push_back({store(text), {}});
    return true;
  }
  bool end_object();
  bool end_array();
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error);

  bool complete() const { return root_complete_; }
  const Fault& fault() const { return fault_; }
  // Bytes read when the parser met a syntax error: the offending byte is the last of them.
  std::size_t error_position() const { return error_position_; }
  JsonDocument take() { return std::move(document_); }

 private:
  struct Frame {
    bool is_object = false;
    std::size_t first = 0;  // of its members or elements on their stack
  };

  std::string_view store(std::string_view text) {
    if (text.empty()) return {};
    auto* copy = reinterpret_cast<char*>(document_.arena_->allocate(text.size(), 1));
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }
  JsonValue text_value(JsonType type, std::string_view text) {
    JsonValue v;
    v.type_ = type;
    v.size_ = static_cast<std::uint32_t>(text.size());
    v.text_ = store(text).data();
    return v;
  }
  bool open(bool is_object) {
    if (frames_.size() == static_cast<std::size_t>(limits_.max_depth)) {
      return stop(limits_.kinds.depth, fmt::format("nested deeper than {} levels", limits_.max_depth));
    }
    frames_.push_back({is_object, is_object ? members_.size() : elements_.size()});
    return true;
  }
  bool add(const JsonValue& value) {
    if (++values_ > limits_.max_values) {
      return stop(limits_.kinds.size, fmt::format("more than {} values", limits_.max_values));
    }
    if (frames_.empty()) {
      document_.root_ = value;
      root_complete_ = true;
    } else if (frames_.back().is_object) {
      members_.back().value = value;
    } else {
      elements_.push_back(value);
    }
    return true;
  }
  bool stop(const std::string& kind, std::string message) {
    fault_ = {&kind, std::move(message)};
    return false;
  }
  bool index_members(std::span<const JsonMember> members, std::uint32_t* order);
  std::string path() const;

  const JsonLimits& limits_;
  JsonDocument document_;
  std::vector<Frame> frames_;
  std::vector<JsonMember> members_;
  std::vector<JsonValue> elements_;
  std::size_t values_ = 0;
  bool root_complete_ = false;
  Fault fault_;
  std::size_t error_position_ = 0;
};

// Where the innermost open container stands: `rope_scaling`, `layers[3]`.
std::string JsonBuilder::path() const {
  std::string out;
  for (std::size_t i = 0; i + 1 < frames_.size(); ++i) {
    if (frames_[i].is_object) {
      const std::size_t end = [&] {  // its last member on the stack: the next object frame starts after it
        for (std::size_t j = i + 1; j < frames_.size(); ++j) {
          if (frames_[j].is_object) return frames_[j].first;
        }
        return members_.size();
      }();
      if (!out.empty()) out += '.';
      out += members_[end - 1].key.substr(0, 200);
    } else {
      const std::size_t end = [&] {
        for (std::size_t j = i + 1; j < frames_.size(); ++j) {
          if (!frames_[j].is_object) return frames_[j].first;
        }
        return elements_.size();
      }();
      out += fmt::format("[{}]", end - frames_[i].first);
    }
  }
  return out;
}

// Fills `order` with the members' numbers sorted by key; false when two keys are equal.
bool JsonBuilder::index_members(std::span<const JsonMember> members, std::uint32_t* order) {
  // The first eight bytes decide most comparisons without touching the text.
  struct Entry {
    std::uint64_t head;
    std::uint32_t number;
  };
  std::vector<Entry> entries(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::string_view key = members[i].key;
    std::uint64_t head = 0;
    for (std::size_t b = 0; b < 8; ++b) {
      head = head << 8U | (b < key.size() ? static_cast<unsigned char>(key[b]) : 0U);
    }
    entries[i] = {head, static_cast<std::uint32_t>(i)};
  }
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.head != b.head) return a.head < b.head;
    return members[a.number].key < members[b.number].key;
  });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    order[i] = entries[i].number;
    if (i > 0 && members[order[i - 1]].key == members[order[i]].key) {
      const std::string at = path();
      return stop(limits_.kinds.duplicate,
                  fmt::format("the key {} occurs twice{}{}; which one counts is undefined, keep one",
                              quote_text(members[order[i]].key), at.empty() ? "" : " in ", at));
    }
  }
  return true;
}

bool JsonBuilder::end_object() {
  const std::size_t first = frames_.back().first;
  const std::size_t count = members_.size() - first;
  const bool indexed = count > JsonValue::kLinearMembers;
  const std::size_t bytes = count * (sizeof(JsonMember) + (indexed ? sizeof(std::uint32_t) : 0));
  auto* stored = reinterpret_cast<JsonMember*>(document_.arena_->allocate(bytes));
  std::uninitialized_copy(members_.begin() + static_cast<std::ptrdiff_t>(first), members_.end(), stored);
  JsonValue v;
  v.type_ = JsonType::object;
  v.size_ = static_cast<std::uint32_t>(count);
  v.members_ = stored;
  std::uint32_t few[JsonValue::kLinearMembers];
  auto* order = indexed ? reinterpret_cast<std::uint32_t*>(stored + count) : few;
  if (!index_members({stored, count}, order)) return false;
  members_.resize(first);
  frames_.pop_back();
  return add(v);
}

bool JsonBuilder::end_array() {
  const std::size_t first = frames_.back().first;
  const std::size_t count = elements_.size() - first;
  auto* stored = reinterpret_cast<JsonValue*>(document_.arena_->allocate(count * sizeof(JsonValue)));
  std::uninitialized_copy(elements_.begin() + static_cast<std::ptrdiff_t>(first), elements_.end(), stored);
  JsonValue v;
  v.type_ = JsonType::array;
  v.size_ = static_cast<std::uint32_t>(count);
  v.elements_ = stored;
  elements_.resize(first);
  frames_.pop_back();
  return add(v);
}

bool JsonBuilder::parse_error(std::size_t position, const std::string&,
                              const nlohmann::detail::exception& error) {
  error_position_ = position;
  // The library's sentence without its own position: "... at line 1, column 2: <sentence>; last read: ...".
  std::string_view sentence = error.what();
  if (const std::size_t i = sentence.find("] "); i != std::string_view::npos) sentence.remove_prefix(i + 2);
  if (sentence.starts_with("parse error at line")) {
    if (const std::size_t i = sentence.find(": "); i != std::string_view::npos) sentence.remove_prefix(i + 2);
  }
  sentence = sentence.substr(0, sentence.find("; last read"));
  return stop(root_complete_ ? limits_.kinds.trailing : limits_.kinds.syntax,
              std::string(sentence.substr(0, 200)));
}

namespace {

std::string position_text(std::string_view text, std::size_t offset, const JsonLimits& limits) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n');
  const std::size_t column = offset - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  return fmt::format("offset {} (line {}, column {})", limits.text_offset + offset, line, column);
}

[[noreturn]] void refuse(const std::string& kind, std::string_view where, std::string message) {
  throw Error(kind, std::string(where), std::move(message));
}

// A byte order mark or a wider encoding, by name; empty when the text looks like UTF-8.
std::string_view foreign_encoding(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.starts_with("\xEF\xBB\xBF"sv)) return "a UTF-8 byte order mark";
  if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv)) return "UTF-32";
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) return "UTF-16";
  if (text.size() >= 4 && text[0] == 0 && text[1] == 0 && text[2] == 0 && text[3] != 0) return "UTF-32";
  if (text.size() >= 2 && text[0] == 0 && text[1] != 0) return "UTF-16";
  if (text.size() >= 2 && text[0] != 0 && text[1] == 0)
    return text.size() >= 4 && text[2] == 0 ? "UTF-32" : "UTF-16";
  return {};
}

// Offset of a \u escape of an unpaired surrogate in the last few bytes of `read`, or npos.
std::size_t find_lone_surrogate(std::string_view read) {
  const auto code_at = [&](std::size_t i) -> int {  // of \uXXXX at i, -1 when there is none
    if (i + 6 > read.size() || read[i] != '\\' || read[i + 1] != 'u') return -1;
    int code = 0;
    const std::from_chars_result r = std::from_chars(read.data() + i + 2, read.data() + i + 6, code, 16);
    return r.ec == std::errc() && r.ptr == read.data() + i + 6 ? code : -1;
  };
  const auto is_high = [](int c) { return c >= 0xD800 && c <= 0xDBFF; };
  const auto is_low = [](int c) { return c >= 0xDC00 && c <= 0xDFFF; };
  std::size_t i = read.size() < 24 ? 0 : read.size() - 24;
  while (i > 0 && read[i - 1] == '\\') --i;  // start outside an escape
  while (i < read.size()) {
    if (read[i] != '\\') {
      ++i;
      continue;
    }
    const int code = code_at(i);
    if (is_high(code) && is_low(code_at(i + 6))) {
      i += 12;
    } else if (is_high(code) || is_low(code)) {
      return i;
    } else {
      i += code >= 0 ? 6 : 2;
    }
  }
  return std::string_view::npos;
}

[[noreturn]] void refuse_parsed(const JsonBuilder& builder, std::string_view text, const JsonLimits& limits,
                                std::string_view where) {
  const Fault& fault = builder.fault();
  const bool positioned = builder.error_position() > 0;
  if (!positioned) refuse(*fault.kind, where, fault.message);
  const std::size_t offset = builder.error_position() - 1;
  const std::string_view read = text.substr(0, std::min(text.size(), offset + 1));
  if (!builder.complete()) {
    // A sequence that is merely cut by `read` is judged on the whole text.
    const std::size_t invalid = find_invalid_utf8(text.substr(0, std::min(text.size(), offset + 4)));
    if (invalid <= offset && find_invalid_utf8(text.substr(invalid, 4)) == 0) {
      refuse(limits.kinds.utf8, where,
             fmt::format("{}: byte 0x{:02X} is not valid UTF-8", position_text(text, invalid, limits),
                         static_cast<unsigned char>(text[invalid])));
    }
    const std::size_t surrogate = find_lone_surrogate(read);
    if (surrogate != std::string_view::npos) {
      refuse(limits.kinds.utf8, where,
             fmt::format("{}: {} is half of a surrogate pair and stands for no character",
                         position_text(text, surrogate, limits), text.substr(surrogate, 6)));
    }
  }
  if (offset >= text.size()) {
    refuse(*fault.kind, where,
           fmt::format("the text ends too early, at {}: {}", position_text(text, offset, limits),
                       fault.message));
  }
  refuse(*fault.kind, where,
         builder.complete()
             ? fmt::format("{}: data after the JSON value", position_text(text, offset, limits))
             : fmt::format("{}: {}", position_text(text, offset, limits), fault.message));
}

}  // namespace

JsonDocument parse_json(std::string_view text, const JsonLimits& limits, std::string_view where) {
  if (text.size() > limits.max_bytes) {
    refuse(limits.kinds.size, where,
           fmt::format("expected at most {} bytes of JSON, found {}", limits.max_bytes, text.size()));
  }
  if (const std::string_view encoding = foreign_encoding(text); !encoding.empty()) {
    refuse(limits.kinds.encoding, where,
           fmt::format("expected JSON in UTF-8 without a byte order mark, found {}; save it as plain UTF-8",
                       encoding));
  }
  // The parser takes NUL for the end of its input, so it gets the text up to it.
  const std::size_t nul = text.find('\0');
  const std::string_view head = text.substr(0, nul);
  if (nul == std::string_view::npos) {
    JsonBuilder builder(limits);
    switch (JsonScanner(head, builder).run()) {
      case JsonScanner<JsonBuilder>::Outcome::done: return builder.take();
      case JsonScanner<JsonBuilder>::Outcome::stopped: refuse_parsed(builder, text, limits, where);
      case JsonScanner<JsonBuilder>::Outcome::gave_up: break;
    }
  }
  JsonBuilder builder(limits);
  const bool parsed = nlohmann::json::sax_parse(head.data(), head.data() + head.size(), &builder);
  if (nul != std::string_view::npos && (parsed || builder.error_position() > nul)) {
    refuse(parsed ? limits.kinds.trailing : limits.kinds.syntax, where,
           fmt::format("{}: a NUL byte", position_text(text, nul, limits)));
  }
  if (!parsed) refuse_parsed(builder, text, limits, where);
  return builder.take();
}

JsonDocument read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  const File file(path);
  if (file.size_bytes() > limits.max_bytes) {
    refuse(limits.kinds.size, path.string(),
           fmt::format("expected at most {} bytes of JSON, found {}", limits.max_bytes, file.size_bytes()));
  }
  const std::string text = file.read_all();
  const FileKind kind = file_kind(text);
  if (is_foreign_to_json(kind)) {
    refuse(limits.kinds.syntax, path.string(), fmt::format("expected JSON, found {}", describe(kind)));
  }
  return parse_json(text, limits, path.string());
}

}  // namespace attend
