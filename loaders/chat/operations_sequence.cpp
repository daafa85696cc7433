// Iteration, length, subscripts and slices.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "loaders/chat/operations.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

using Type = Value::Type;

// The code point at `index` of `text` as text, negative indices from the end; nothing when outside.
std::optional<Value> character_at(const std::string& text, std::int64_t index, Budget& budget) {
  budget.text(text.size());
  const auto size = static_cast<std::int64_t>(count_code_points(text));
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  if (static_cast<std::size_t>(size) == text.size())
    return std::string(1, text[static_cast<std::size_t>(index)]);
  std::size_t at = 0;
  for (; index > 0; --index) at += utf8_length(text[at]);
  return text.substr(at, utf8_length(text[at]));
}

// Parts of marked text are marked.
Value like(const Value& origin, std::string text) {
  return origin.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  for (std::size_t at = 0; at < text.size(); at += characters.back().size()) {
    characters.push_back(text.substr(at, utf8_length(text[at])));
  }
  return characters;
}

std::optional<std::int64_t> index_of(const Value& value) {
  if (value.is_integer()) return value.integer();
  return std::nullopt;
}

}  // namespace

bool is_iterable(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
    case Type::string:
    case Type::list:
    case Type::tuple:
    case Type::dict:
    case Type::range:
    case Type::generator: return true;
    case Type::object: return value.object().items() != nullptr;
    default: return false;
  }
}

Items iterate(const Value& value, Budget& budget) {
  switch (value.type()) {
    case Type::undefined: return Items(std::make_shared<const List>());
    case Type::list:
    case Type::tuple: return Items(value.shared_items());
    case Type::string: {
      budget.step(value.string().size());
      List items;
      for (const std::string_view character : characters_of(value.string())) items.emplace_back(character);
      return Items(std::make_shared<const List>(std::move(items)));
    }
    case Type::dict: {
      budget.step(value.dict().size());
      List keys;
      for (const auto& entry : value.dict().entries()) keys.push_back(entry.first);
      return Items(std::make_shared<const List>(std::move(keys)));
    }
    case Type::range: {
      const Range& range = value.range();
      budget.step(static_cast<std::uint64_t>(range.size()));
      List numbers;
      for (std::int64_t i = 0; i < range.size(); ++i) numbers.emplace_back(range.at(i));
      return Items(std::make_shared<const List>(std::move(numbers)));
    }
    case Type::generator: {
      Generator& generator = value.generator();
      const List& all = generator.values->items;
      const std::size_t first = std::exchange(generator.next, all.size());
      if (first == 0) return Items({generator.values, &all});
      budget.step(all.size() - first);
      return Items(std::make_shared<const List>(all.begin() + static_cast<std::ptrdiff_t>(first), all.end()));
    }
    case Type::object:
      if (auto items = value.object().items()) return Items(std::move(items));
      break;
    default: break;
  }
  throw RuntimeFailure{fmt::format("'{}' object is not iterable", value.type_name())};
}

std::int64_t length(const Value& value, Budget& budget) {
  switch (value.type()) {
    case Type::undefined: return 0;
    case Type::string:
      budget.text(value.string().size());
      return static_cast<std::int64_t>(count_code_points(value.string()));
    case Type::list:
    case Type::tuple: return static_cast<std::int64_t>(value.items().size());
    case Type::dict: return static_cast<std::int64_t>(value.dict().size());
    case Type::range: return value.range().size();
    case Type::object:
      if (value.object().has_length()) return static_cast<std::int64_t>(value.object().items()->size());
      break;
    default: break;
  }
  throw RuntimeFailure{fmt::format("object of type '{}' has no len()", value.type_name())};
}

std::optional<Value> subscript(const Value& object, const Value& index, Budget& budget) {
  if (object.is_dict()) {
    budget.step(index.extent().weight - 1);
    if (index.type() == Type::list || index.is_dict()) return std::nullopt;
    const Value* found = object.dict().find(index);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  const auto position = index_of(index);
  if (!position) return std::nullopt;
  if (object.is_string()) return character_at(object.string(), *position, budget);
  const auto place = [&](std::int64_t size) -> std::optional<std::int64_t> {
    const std::int64_t at = *position < 0 ? *position + size : *position;
    return at < 0 || at >= size ? std::nullopt : std::optional(at);
  };
  if (object.type() == Type::list || object.type() == Type::tuple) {
    const auto at = place(static_cast<std::int64_t>(object.items().size()));
    return at ? std::optional(object.items()[static_cast<std::size_t>(*at)]) : std::nullopt;
  }
  if (object.type() == Type::range) {
    const auto at = place(object.range().size());
    return at ? std::optional<Value>(object.range().at(*at)) : std::nullopt;
  }
  return std::nullopt;
}

SliceRange clip_slice(const Value& start, const Value& stop, const Value& step, std::int64_t size) {
  SliceRange range;
  if (!step.is_none()) range.step = index_of(step).value_or(0);
  if (range.step == 0) throw RuntimeFailure{"slice step cannot be zero"};
  const bool forward = range.step > 0;
  const auto clip = [&](const Value& value, std::int64_t otherwise) {
    const auto index = index_of(value);
    if (!index) return otherwise;
    const std::int64_t at = *index < 0 ? (*index < -size ? -1 : *index + size) : *index;
    if (at < 0) return forward ? std::int64_t{0} : std::int64_t{-1};
    if (at >= size) return forward ? size : size - 1;
    return at;
  };
  range.start = clip(start, forward ? 0 : size - 1);
  const std::int64_t end = clip(stop, forward ? size : -1);
  // The magnitude of the step may be anything; a division by it cannot overflow for these operands.
  if (forward && end > range.start) range.count = (end - range.start - 1) / range.step + 1;
  if (!forward && end < range.start) range.count = (end - range.start + 1) / range.step + 1;
  return range;
}

std::optional<Value> slice(const Value& object, const Value& start, const Value& stop, const Value& step,
                           Budget& budget) {
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integer()) {
      // Python raises TypeError, which Jinja turns into an undefined value.
      return std::nullopt;
    }
  }
  if (object.is_string()) {
    const std::string& text = object.string();
    budget.text(text.size());
    const auto size = static_cast<std::int64_t>(count_code_points(text));
    const SliceRange range = clip_slice(start, stop, step, size);
    if (range.step == 1) {
      std::size_t first = 0;
      for (std::int64_t i = 0; i < range.start; ++i) first += utf8_length(text[first]);
      std::size_t last = first;
      for (std::int64_t i = 0; i < range.count; ++i) last += utf8_length(text[last]);
      return like(object, text.substr(first, last - first));
    }
    budget.step(text.size() / 8);
    const auto characters = characters_of(text);
    std::string out;
    for (std::int64_t i = 0; i < range.count; ++i)
      out += characters[static_cast<std::size_t>(range.start + i * range.step)];
    return like(object, std::move(out));
  }
  if (object.type() == Type::list || object.type() == Type::tuple) {
    const List& items = object.items();
    const SliceRange range = clip_slice(start, stop, step, static_cast<std::int64_t>(items.size()));
    budget.step(static_cast<std::uint64_t>(range.count));
    List part;
    for (std::int64_t i = 0; i < range.count; ++i)
      part.push_back(items[static_cast<std::size_t>(range.start + i * range.step)]);
    return object.type() == Type::list ? Value(std::move(part)) : Value::tuple(std::move(part));
  }
  if (object.type() == Type::range) {
    const Range& range = object.range();
    const SliceRange clipped = clip_slice(start, stop, step, range.size());
    const std::int64_t first = range.at(clipped.start);
    std::int64_t stride = 0;
    std::int64_t end = 0;
    if (__builtin_mul_overflow(range.step, clipped.step, &stride) ||
        __builtin_mul_overflow(stride, clipped.count, &end) || __builtin_add_overflow(end, first, &end)) {
      throw RuntimeFailure{"integers beyond 64 bits are not supported"};
    }
    return Range{first, end, stride};
  }
  return std::nullopt;
}

}  // namespace attend::jinja
