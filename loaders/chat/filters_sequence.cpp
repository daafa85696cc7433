// Filters on lists, dicts and other things that can be iterated.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include "loaders/chat/filters.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/objects.h"
#include "loaders/chat/operations.h"
#include "loaders/chat/python_unicode.h"

namespace attend::jinja {
namespace {

using Getter = std::function<Value(const Value&)>;

// "address.city" or 0: the elements to look up one after the other.
List attribute_path(const Value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  List path;
  std::string_view rest = attribute.string();
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const bool number =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    std::int64_t index = 0;
    if (number && std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc()) {
      path.emplace_back(index);
    } else {
      path.emplace_back(part);
    }
    if (dot == std::string_view::npos) return path;
    rest.remove_prefix(dot + 1);
  }
}

Value ignore_case(const Value& value) {
  return value.is_string() ? Value(to_lower(value.string())) : value;
}

Getter attribute_getter(Interpreter& interpreter, const Value& attribute, bool fold_case,
                        Value otherwise = {}) {
  return [&interpreter, path = attribute_path(attribute), fold_case,
          otherwise = std::move(otherwise)](const Value& item) {
    Value value = item;
    for (const Value& part : path) {
      interpreter.budget().step();
      value = interpreter.get_item(value, part);
      if (value.is_undefined() && !otherwise.is_none()) value = otherwise;
    }
    return fold_case ? ignore_case(value) : value;
  };
}

// Stable; `keys` are compared with Python's `<`.
List sorted(Interpreter& interpreter, const List& items, const Getter& key, bool reverse) {
  std::vector<std::pair<Value, std::size_t>> order;
  std::uint64_t weight = 1;
  for (const Value& item : items) {
    order.emplace_back(key(item), order.size());
    weight += order.back().first.extent().weight;
  }
  // About log2(n) comparisons of each key.
  for (std::size_t n = items.size(); n > 0; n /= 2) interpreter.budget().step(weight);
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  List result;
  for (const auto& [value, index] : order) result.push_back(items[index]);
  return result;
}

Value filter_first(Interpreter& interpreter, const Value& input, Arguments&) {
  if (input.type() == Value::Type::generator) {
    Generator& generator = input.generator();
    if (generator.next < generator.values->items.size()) return generator.values->items[generator.next++];
    return Value::undefined("No first item, sequence was empty.");
  }
  if (input.is_string() && !input.string().empty())
    return *subscript(input, std::int64_t{0}, interpreter.budget());
  const auto items = iterate(input, interpreter.budget());
  return items->empty() ? Value::undefined("No first item, sequence was empty.") : items->front();
}

Value filter_last(Interpreter& interpreter, const Value& input, Arguments&) {
  if (input.is_string() && !input.string().empty())
    return *subscript(input, std::int64_t{-1}, interpreter.budget());
  if (input.type() == Value::Type::generator || input.is_undefined() || !is_iterable(input)) {
    throw RuntimeFailure{fmt::format("'{}' object is not reversible", input.type_name())};
  }
  const auto items = iterate(input, interpreter.budget());
  return items->empty() ? Value::undefined("No last item, sequence was empty.") : items->back();
}

Value filter_length(Interpreter& interpreter, const Value& input, Arguments&) {
  return length(input, interpreter.budget());
}

Value filter_list(Interpreter& interpreter, const Value& input, Arguments&) {
  return List(*iterate(input, interpreter.budget()));
}

Value filter_items(Interpreter& interpreter, const Value& input, Arguments&) {
  if (input.is_undefined()) return Value::generator({});
  if (!input.is_dict()) throw RuntimeFailure{"Can only get item pairs from a mapping."};
  interpreter.budget().step(input.dict().size());
  List pairs;
  for (const auto& [key, value] : input.dict().entries()) pairs.push_back(Value::tuple({key, value}));
  return Value::generator(std::move(pairs));
}

Value filter_reverse(Interpreter& interpreter, const Value& input, Arguments&) {
  if (input.is_string()) return *slice(input, {}, {}, std::int64_t{-1}, interpreter.budget());
  if (!is_iterable(input)) throw RuntimeFailure{"argument must be iterable"};
  const auto items = iterate(input, interpreter.budget());
  interpreter.budget().step(items->size());
  List reversed(items->rbegin(), items->rend());
  // An iterator in Python, except where it has to fall back on a list.
  if (input.type() == Value::Type::generator) return reversed;
  return Value::generator(std::move(reversed),
                          input.type() == Value::Type::list ? "list_reverseiterator" : "reversed");
}

Value filter_join(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_join", {"d", "attribute"}, 0, arguments);
  const std::string separator = args.text_or(0, "");
  const Getter getter = attribute_getter(interpreter, args.value_or(1, {}), false);
  std::string text;
  bool first = true;
  for (const Value& item : iterate(input, interpreter.budget())) {
    interpreter.budget().step();
    const std::string part = getter(item).str();
    interpreter.budget().text(text.size() + separator.size() + part.size() > Budget::kMaxTextBytes
                                  ? Budget::kMaxTextBytes + 1
                                  : separator.size() + part.size());
    if (!std::exchange(first, false)) text += separator;
    text += part;
  }
  return text;
}

Value filter_sort(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_sort", {"reverse", "case_sensitive", "attribute"}, 0, arguments);
  // "age,name" sorts by several attributes.
  std::vector<Getter> getters;
  const Value attribute = args.value_or(2, {});
  if (attribute.is_string()) {
    std::string_view rest = attribute.string();
    while (true) {
      const std::size_t comma = rest.find(',');
      getters.push_back(attribute_getter(interpreter, rest.substr(0, comma), !args.truthy(1)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    getters.push_back(attribute_getter(interpreter, attribute, !args.truthy(1)));
  }
  const auto key = [&](const Value& item) {
    List keys;
    for (const Getter& getter : getters) keys.push_back(getter(item));
    return Value(std::move(keys));
  };
  return sorted(interpreter, *iterate(input, interpreter.budget()), key, args.truthy(0));
}

Value filter_dictsort(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_dictsort", {"case_sensitive", "by", "reverse"}, 0, arguments);
  const std::string by = args.text_or(1, "key");
  if (by != "key" && by != "value") throw RuntimeFailure{"You can only sort by either \"key\" or \"value\""};
  if (input.is_undefined()) throw RuntimeFailure{input.undefined_message()};
  if (!input.is_dict())
    throw RuntimeFailure{fmt::format("'{}' object has no attribute 'items'", input.type_name())};
  List pairs;
  for (const auto& [key, value] : input.dict().entries()) pairs.push_back(Value::tuple({key, value}));
  const bool fold_case = !args.truthy(0);
  const auto key = [&](const Value& pair) {
    const Value& part = pair.items()[by == "key" ? 0 : 1];
    return fold_case ? ignore_case(part) : part;
  };
  return sorted(interpreter, pairs, key, args.truthy(2));
}

Value filter_unique(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_unique", {"case_sensitive", "attribute"}, 0, arguments);
  const Getter getter = attribute_getter(interpreter, args.value_or(1, {}), !args.truthy(0));
  Dict seen;
  List result;
  for (const Value& item : iterate(input, interpreter.budget())) {
    Value key = getter(item);
    interpreter.budget().step(key.extent().weight);
    if (seen.find(key) != nullptr) continue;
    seen.set(std::move(key), true);
    result.push_back(item);
  }
  return Value::generator(std::move(result));
}

template <bool largest>
Value filter_extreme(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args(largest ? "do_max" : "do_min", {"case_sensitive", "attribute"}, 0, arguments);
  const Getter getter = attribute_getter(interpreter, args.value_or(1, {}), !args.truthy(0));
  const auto items = iterate(input, interpreter.budget());
  if (items->empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  Value best_key = getter(items->front());
  for (std::size_t i = 1; i < items->size(); ++i) {
    Value key = getter((*items)[i]);
    interpreter.budget().step(key.extent().weight);
    if (compare(largest ? Comparison::greater : Comparison::less, key, best_key, interpreter.budget())) {
      best = i;
      best_key = std::move(key);
    }
  }
  return (*items)[best];
}

Value filter_groupby(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_groupby", {"attribute", "default", "case_sensitive"}, 1, arguments);
  const bool fold_case = !args.truthy(2);
  const Getter key = attribute_getter(interpreter, args[0], fold_case, args.value_or(1, {}));
  const Getter shown = attribute_getter(interpreter, args[0], false, args.value_or(1, {}));
  List groups;
  List group;
  const auto close = [&] {
    if (group.empty()) return;
    Value label = shown(group.front());
    groups.push_back(Value::tuple({std::move(label), std::exchange(group, {})}, true));
  };
  Value previous;
  for (const Value& item : sorted(interpreter, *iterate(input, interpreter.budget()), key, false)) {
    Value current = key(item);
    if (!group.empty() && !compare(Comparison::equal, current, previous, interpreter.budget())) close();
    group.push_back(item);
    previous = std::move(current);
  }
  close();
  return groups;
}

Value filter_batch(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_batch", {"linecount", "fill_with"}, 1, arguments);
  const std::int64_t count = args.integer_or(0, 1);
  List batches;
  List batch;
  for (const Value& item : iterate(input, interpreter.budget())) {
    interpreter.budget().step();
    if (!batch.empty() && static_cast<std::int64_t>(batch.size()) == count)
      batches.push_back(std::exchange(batch, {}));
    batch.push_back(item);
  }
  if (!batch.empty()) {
    if (args.has(1) && !args[1].is_none() && static_cast<std::int64_t>(batch.size()) < count) {
      interpreter.budget().step(static_cast<std::uint64_t>(count));
      batch.resize(static_cast<std::size_t>(count), args[1]);
    }
    batches.push_back(std::move(batch));
  }
  return Value::generator(std::move(batches));
}

Value filter_slice(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  const BoundArguments args("do_slice", {"slices", "fill_with"}, 1, arguments);
  const std::int64_t slices = args.integer_or(0, 1);
  if (slices == 0) throw RuntimeFailure{"integer division or modulo by zero"};
  const auto items = iterate(input, interpreter.budget());
  interpreter.budget().step(items->size() + static_cast<std::uint64_t>(std::max<std::int64_t>(slices, 0)));
  const auto size = static_cast<std::int64_t>(items->size());
  List columns;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < slices; ++i) {
    const bool extra = i < size % slices;
    const std::int64_t end = begin + size / slices + (extra ? 1 : 0);
    List column(items->begin() + begin, items->begin() + end);
    if (args.has(1) && !args[1].is_none() && !extra) column.push_back(args[1]);
    columns.emplace_back(std::move(column));
    begin = end;
  }
  return Value::generator(std::move(columns));
}

Value filter_map(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  List result;
  if (arguments.positional.empty() && !arguments.keywords.empty() &&
      std::any_of(arguments.keywords.begin(), arguments.keywords.end(),
                  [](const auto& k) { return k.first == "attribute"; })) {
    for (const auto& [name, value] : arguments.keywords) {
      if (name != "attribute" && name != "default") {
        throw RuntimeFailure{fmt::format("Unexpected keyword argument {}", string_repr(name))};
      }
    }
    const BoundArguments args("do_map", {"attribute", "default"}, 1, arguments);
    const Getter getter = attribute_getter(interpreter, args[0], false, args.value_or(1, {}));
    for (const Value& item : iterate(input, interpreter.budget())) result.push_back(getter(item));
    return Value::generator(std::move(result));
  }
  if (arguments.positional.empty()) throw RuntimeFailure{"map requires a filter argument"};
  const std::string name = arguments.positional.front().str();
  Arguments rest{List(arguments.positional.begin() + 1, arguments.positional.end()), arguments.keywords};
  for (const Value& item : iterate(input, interpreter.budget())) {
    Arguments copy = rest;
    result.push_back(interpreter.apply_filter(name, item, copy));
  }
  return Value::generator(std::move(result));
}

template <bool selects, bool by_attribute>
Value filter_select(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  List result;
  if (!input.truthy()) return Value::generator({});
  if (by_attribute && arguments.positional.empty())
    throw RuntimeFailure{"Missing parameter for attribute name"};
  const std::size_t first = by_attribute ? 1 : 0;
  const Getter getter =
      attribute_getter(interpreter, by_attribute ? arguments.positional.front() : Value(), false);
  const bool has_test = arguments.positional.size() > first;
  const std::string test = has_test ? arguments.positional[first].str() : std::string();
  Arguments rest;
  if (has_test) {
    rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                           arguments.positional.end());
    rest.keywords = arguments.keywords;
  }
  for (const Value& item : iterate(input, interpreter.budget())) {
    interpreter.budget().step();
    const Value value = getter(item);
    Arguments copy = rest;
    if ((has_test ? interpreter.apply_test(test, value, copy) : value.truthy()) == selects)
      result.push_back(item);
  }
  return Value::generator(std::move(result));
}

constexpr std::array<FilterFunction, 21> kSequenceFilters{{
    {"first", filter_first},
    {"last", filter_last},
    {"length", filter_length},
    {"count", filter_length},
    {"list", filter_list},
    {"items", filter_items},
    {"reverse", filter_reverse},
    {"join", filter_join},
    {"sort", filter_sort},
    {"dictsort", filter_dictsort},
    {"unique", filter_unique},
    {"min", filter_extreme<false>},
    {"max", filter_extreme<true>},
    {"groupby", filter_groupby},
    {"batch", filter_batch},
    {"slice", filter_slice},
    {"map", filter_map},
    {"select", filter_select<true, false>},
    {"reject", filter_select<false, false>},
    {"selectattr", filter_select<true, true>},
    {"rejectattr", filter_select<false, true>},
}};

}  // namespace

std::span<const FilterFunction> sequence_filters() {
  return kSequenceFilters;
}

}  // namespace attend::jinja
