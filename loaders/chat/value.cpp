#include "loaders/chat/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "loaders/chat/budget.h"
#include "loaders/chat/operations.h"

namespace attend::jinja {

std::int64_t Range::size() const {
  const auto from = static_cast<std::uint64_t>(start);
  const auto to = static_cast<std::uint64_t>(stop);
  if (step > 0 && start < stop)
    return static_cast<std::int64_t>((to - from - 1) / static_cast<std::uint64_t>(step)) + 1;
  if (step < 0 && start > stop)
    return static_cast<std::int64_t>((from - to - 1) / (0 - static_cast<std::uint64_t>(step))) + 1;
  return 0;
}

void Extent::hold(const Extent& inner) {
  depth = std::max(depth, inner.depth + 1);
  weight += inner.weight;
  if (depth > kMaxValueDepth)
    throw BudgetExceeded{fmt::format("the template nests values deeper than {}", kMaxValueDepth)};
  if (weight > kMaxValueWeight) throw BudgetExceeded{"the template makes too large a value"};
}

TupleData::TupleData(List values, bool of_groupby) : ListData(std::move(values)), group(of_groupby) {}

Value::Value(List items) : data_(std::make_shared<const ListData>(std::move(items))) {}

Value Value::tuple(List items, bool group) {
  return Value(std::make_shared<const TupleData>(std::move(items), group));
}

ListData::ListData(List values) : items(std::move(values)) {
  extent.depth = 1;
  for (const Value& value : items) extent.hold(value.extent());
}

std::string Object::repr(int) const {
  return fmt::format("<{}>", type_name());
}

std::optional<Value> Object::attribute(std::string_view) const {
  return std::nullopt;
}

Value Object::call(Interpreter&, Arguments&) {
  throw RuntimeFailure{fmt::format("'{}' object is not callable", type_name())};
}

Value::Value(Dict dict) : data_(std::make_shared<const Dict>(std::move(dict))) {}

Value Value::generator(List items, std::string type_name) {
  return std::make_shared<Generator>(
      Generator{std::make_shared<const ListData>(std::move(items)), 0, std::move(type_name)});
}

std::shared_ptr<const List> Value::shared_items() const {
  if (const auto* list = std::get_if<std::shared_ptr<const ListData>>(&data_))
    return {*list, &(*list)->items};
  const auto& tuple = std::get<std::shared_ptr<const TupleData>>(data_);
  return {tuple, &tuple->items};
}

Extent Value::extent() const {
  switch (type()) {
    case Type::string: return {.depth = 0, .weight = 1 + string().size() / Budget::kBytesPerStep};
    case Type::list: return std::get<std::shared_ptr<const ListData>>(data_)->extent;
    case Type::tuple: return tuple().extent;
    case Type::dict: return dict().extent();
    case Type::generator: return generator().values->extent;
    case Type::object: return object().extent();
    default: return {};
  }
}

// Depth is bounded by the JSON reader.
Value Value::from_json(const JsonValue& json) {
  switch (json.type()) {
    case JsonType::null: return {};
    case JsonType::boolean: return *json.to_bool();
    case JsonType::string: return std::string(*json.to_string());
    case JsonType::array: {
      List items;
      items.reserve(json.size());
      for (const JsonValue& element : json.elements()) items.push_back(from_json(element));
      return items;
    }
    case JsonType::object: {
      Dict dict;
      for (const JsonMember& member : json.members())
        dict.set(std::string(member.key), from_json(member.value));
      return dict;
    }
    default: break;
  }
  if (const auto integer = json.to_int64()) return *integer;
  if (const auto integer = json.to_uint64()) {
    return std::shared_ptr<Object>(std::make_shared<BigInteger>(std::to_string(*integer)));
  }
  if (json.is_integer()) {
    // The reader shows the digits of what does not fit 64 bits in its description only, up to 40 of them.
    std::string digits = json.describe();
    if (digits.ends_with("...")) throw RuntimeFailure{"integers of more than 40 digits are not supported"};
    digits.erase(0, digits.find_first_of("-0123456789"));
    return std::shared_ptr<Object>(std::make_shared<BigInteger>(std::move(digits)));
  }
  return json.to_double().value_or(0.0);
}

std::string Value::type_name() const {
  switch (type()) {
    case Type::undefined: return "Undefined";
    case Type::none: return "NoneType";
    case Type::boolean: return "bool";
    case Type::integer: return "int";
    case Type::floating: return "float";
    case Type::string: return is_markup() ? "Markup" : "str";
    case Type::list: return "list";
    case Type::tuple: return "tuple";
    case Type::dict: return "dict";
    case Type::range: return "range";
    case Type::generator: return generator().type_name;
    case Type::object: return std::string(object().type_name());
  }
  return {};
}

std::string Value::type_description() const {
  if (is_none()) return "None";
  if (is_undefined()) return "jinja2.runtime.Undefined object";
  if (type() == Type::object) return object().type_description();
  if (is_markup()) return "markupsafe.Markup object";
  return type_name() + " object";
}

bool Value::truthy() const {
  switch (type()) {
    case Type::undefined:
    case Type::none: return false;
    case Type::boolean: return boolean();
    case Type::integer: return integer() != 0;
    case Type::floating: return floating() != 0;
    case Type::string: return !string().empty();
    case Type::list:
    case Type::tuple: return !items().empty();
    case Type::dict: return dict().size() > 0;
    case Type::range: return range().size() > 0;
    case Type::generator: return true;
    case Type::object: return !object().has_length() || !object().items()->empty();
  }
  return false;
}

bool Value::same_as(const Value& other) const {
  if (type() != other.type()) return false;
  switch (type()) {
    case Type::undefined: return std::get<0>(data_) == std::get<0>(other.data_);
    case Type::none: return true;
    case Type::boolean: return boolean() == other.boolean();
    // Python shares small integers and interned text, which templates cannot tell from equal ones.
    case Type::integer: return integer() == other.integer();
    case Type::string: return string() == other.string();
    case Type::list:
    case Type::tuple: return &items() == &other.items();
    case Type::dict: return &dict() == &other.dict();
    case Type::generator: return &generator() == &other.generator();
    case Type::object: return &object() == &other.object();
    default: return false;
  }
}

std::size_t hash_of(const Value& value) {
  using Type = Value::Type;
  switch (value.type()) {
    case Type::undefined: return 1;
    case Type::none: return 2;
    case Type::boolean:
    case Type::integer: return std::hash<std::int64_t>{}(value.integer());
    case Type::floating: {
      const double number = value.floating();
      // Numbers that are equal have to meet, whatever their type.
      if (std::trunc(number) == number && std::abs(number) < 9.2e18) {
        return std::hash<std::int64_t>{}(static_cast<std::int64_t>(number));
      }
      return std::hash<double>{}(number);
    }
    case Type::string: return std::hash<std::string_view>{}(value.string());
    case Type::tuple: {
      std::size_t hash = 3;
      for (const Value& item : value.items()) hash = hash * 1000003 + hash_of(item);
      return hash;
    }
    case Type::range: return std::hash<std::int64_t>{}(value.range().start) * 31 + 5;
    case Type::generator: return std::hash<const void*>{}(&value.generator());
    case Type::object: return std::hash<std::string>{}(value.object().repr(0));
    case Type::list:
    case Type::dict: break;
  }
  throw RuntimeFailure{fmt::format("unhashable type: '{}'", value.type_name())};
}

const Value* Dict::find_hashed(std::size_t hash, const Value& key) const {
  const auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (equal(entries_[it->second].first, key)) return &entries_[it->second].second;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  return find_hashed(hash_of(key), key);
}

const Value* Dict::find(std::string_view key) const {
  const auto [first, last] = index_.equal_range(std::hash<std::string_view>{}(key));
  for (auto it = first; it != last; ++it) {
    const Value& known = entries_[it->second].first;
    if (known.is_string() && known.string() == key) return &entries_[it->second].second;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  const std::size_t hash = hash_of(key);
  extent_.hold(key.extent());
  extent_.hold(value.extent());
  const auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (equal(entries_[it->second].first, key)) {
      entries_[it->second].second = std::move(value);
      return;
    }
  }
  index_.emplace(hash, entries_.size());
  entries_.emplace_back(std::move(key), std::move(value));
}

}  // namespace attend::jinja
