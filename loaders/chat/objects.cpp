#include "loaders/chat/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "loaders/chat/filters.h"
#include "loaders/chat/operations.h"

namespace attend::jinja {
namespace {

using Type = Value::Type;

Value method(std::string_view name, Value self, MethodBody body) {
  return std::shared_ptr<Object>(std::make_shared<BoundMethod>(name, std::move(self), body));
}

Value view(std::string_view type_name, List items) {
  return std::shared_ptr<Object>(std::make_shared<DictView>(type_name, std::move(items)));
}

Value dict_items(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("dict.items", {}, 0, arguments);
  interpreter.budget().step(self.dict().size());
  List pairs;
  for (const auto& [key, value] : self.dict().entries()) pairs.push_back(Value::tuple({key, value}));
  return view("dict_items", std::move(pairs));
}

Value dict_keys(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("dict.keys", {}, 0, arguments);
  interpreter.budget().step(self.dict().size());
  List keys;
  for (const auto& entry : self.dict().entries()) keys.push_back(entry.first);
  return view("dict_keys", std::move(keys));
}

Value dict_values(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("dict.values", {}, 0, arguments);
  interpreter.budget().step(self.dict().size());
  List values;
  for (const auto& entry : self.dict().entries()) values.push_back(entry.second);
  return view("dict_values", std::move(values));
}

Value dict_get(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!arguments.keywords.empty()) throw RuntimeFailure{"dict.get() takes no keyword arguments"};
  const BoundArguments args("get", {"key", "default"}, 1, arguments);
  interpreter.budget().step(args[0].extent().weight);
  const Value* found = self.dict().find(args[0]);
  return found != nullptr ? *found : args.value_or(1, {});
}

Value copy_of(Interpreter&, const Value& self, Arguments& arguments) {
  const BoundArguments args("copy", {}, 0, arguments);
  return self;
}

Value list_count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("count", {"value"}, 1, arguments);
  interpreter.budget().step(self.extent().weight);
  return static_cast<std::int64_t>(std::count_if(self.items().begin(), self.items().end(),
                                                 [&](const Value& item) { return equal(item, args[0]); }));
}

Value list_index(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const BoundArguments args("index", {"value", "start", "stop"}, 1, arguments);
  interpreter.budget().step(self.extent().weight);
  const auto size = static_cast<std::int64_t>(self.items().size());
  const SliceRange range = clip_slice(args.value_or(1, {}), args.value_or(2, {}), {}, size);
  for (std::int64_t i = range.start; i < range.start + range.count; ++i) {
    if (equal(self.items()[static_cast<std::size_t>(i)], args[0])) return i;
  }
  throw RuntimeFailure{self.type() == Type::list ? fmt::format("{} is not in list", args[0].repr())
                                                 : "tuple.index(x): x not in tuple"};
}

Value float_is_integer(Interpreter&, const Value& self, Arguments&) {
  return self.is_integer() ||
         (std::isfinite(self.floating()) && self.floating() == std::floor(self.floating()));
}

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<Value> find_method(const Value& object, std::string_view name) {
  switch (object.type()) {
    case Type::string:
      if (const MethodBody body = find_text_method(name)) return method(name, object, body);
      return std::nullopt;
    case Type::dict:
      if (name == "items") return method("items", object, dict_items);
      if (name == "keys") return method("keys", object, dict_keys);
      if (name == "values") return method("values", object, dict_values);
      if (name == "get") return method("get", object, dict_get);
      if (name == "copy") return method("copy", object, copy_of);
      return std::nullopt;
    case Type::tuple:
      if (object.tuple().group && name == "grouper") return object.items()[0];
      if (object.tuple().group && name == "list") return object.items()[1];
      [[fallthrough]];
    case Type::list:
      if (name == "count") return method("count", object, list_count);
      if (name == "index") return method("index", object, list_index);
      if (name == "copy" && object.type() == Type::list) return method("copy", object, copy_of);
      return std::nullopt;
    case Type::range:
      if (name == "start") return object.range().start;
      if (name == "stop") return object.range().stop;
      if (name == "step") return object.range().step;
      return std::nullopt;
    case Type::floating:
      if (name == "is_integer") return method("is_integer", object, float_is_integer);
      [[fallthrough]];
    case Type::boolean:
    case Type::integer:
      if (name == "real") return object;
      if (name == "imag") return object.is_integer() ? Value(std::int64_t{0}) : Value(0.0);
      return std::nullopt;
    case Type::object: return object.object().attribute(name);
    default: return std::nullopt;
  }
}

bool is_unsafe_attribute(const Value& object, std::string_view name) {
  if (object.is_dict() && one_of(name, {"clear", "pop", "popitem", "setdefault", "update"})) return true;
  if (object.type() == Type::list &&
      one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"})) {
    return true;
  }
  // What every Python object has.
  return one_of(name,
                {"__class__",   "__doc__",          "__init__",    "__dict__",         "__module__",
                 "__str__",     "__repr__",         "__hash__",    "__eq__",           "__ne__",
                 "__lt__",      "__le__",           "__gt__",      "__ge__",           "__dir__",
                 "__format__",  "__getattribute__", "__setattr__", "__delattr__",      "__new__",
                 "__reduce__",  "__reduce_ex__",    "__sizeof__",  "__subclasshook__", "__init_subclass__",
                 "__getstate__"});
}

Value BoundMethod::call(Interpreter& interpreter, Arguments& arguments) {
  if (!self_.is_markup()) return body_(interpreter, self_, arguments);
  // Methods of marked text escape what they put into it and return marked text.
  const auto escape = [](const Value& value) {
    return value.is_string() && !value.is_markup() ? Value::markup(escape_html(value.string())) : value;
  };
  if (name_ == "join" && arguments.positional.size() == 1 && is_iterable(arguments.positional[0])) {
    List items;
    for (const Value& item : iterate(arguments.positional[0], interpreter.budget()))
      items.push_back(escape(item));
    arguments.positional[0] = std::move(items);
  } else if (name_ == "format") {
    for (Value& value : arguments.positional) value = escape(value);
    for (auto& [name, value] : arguments.keywords) value = escape(value);
  } else if (name_ == "replace" && arguments.positional.size() > 1) {
    arguments.positional[1] = escape(arguments.positional[1]);
  }
  const Value result = body_(interpreter, self_, arguments);
  if (result.is_string()) return Value::markup(result.string());
  if (result.type() != Type::list && result.type() != Type::tuple) return result;
  List parts;
  for (const Value& part : result.items())
    parts.push_back(part.is_string() ? Value::markup(part.string()) : part);
  return result.type() == Type::list ? Value(std::move(parts)) : Value::tuple(std::move(parts));
}

std::string MacroObject::repr(int) const {
  return macro_.anonymous ? "<Macro anonymous>" : "<Macro " + string_repr(name_) + ">";
}

std::optional<Value> MacroObject::attribute(std::string_view name) const {
  if (name == "name") return macro_.anonymous ? Value() : Value(name_);
  if (name == "catch_kwargs") return macro_.uses_kwargs;
  if (name == "catch_varargs") return macro_.uses_varargs;
  if (name == "caller") return macro_.uses_caller;
  return std::nullopt;
}

std::string NamespaceObject::repr(int depth) const {
  Dict dict;
  for (const auto& [name, value] : attributes_) dict.set(name, value);
  return "<Namespace " + Value(std::move(dict)).repr(depth + 1) + ">";
}

std::optional<Value> NamespaceObject::attribute(std::string_view name) const {
  for (const auto& [known, value] : attributes_) {
    if (known == name) return value;
  }
  return std::nullopt;
}

void NamespaceObject::set(const std::string& name, Value value) {
  if (name.starts_with('_')) {
    throw RuntimeFailure{
        fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. "
                    "Please rename the "
                    "attribute.",
                    string_repr(name))};
  }
  for (auto& [known, held] : attributes_) {
    if (known == name) {
      held = std::move(value);
      return;
    }
  }
  attributes_.emplace_back(name, std::move(value));
}

std::string LoopObject::repr(int) const {
  return fmt::format("<LoopContext {}/{}>", index_ + 1, items_->size());
}

namespace {

Value loop_cycle(Interpreter&, const Value& self, Arguments& arguments) {
  return dynamic_cast<LoopObject&>(self.object()).cycle(arguments);
}

Value loop_changed(Interpreter&, const Value& self, Arguments& arguments) {
  return dynamic_cast<LoopObject&>(self.object()).changed(arguments);
}

Value cycler_next(Interpreter&, const Value& self, Arguments&) {
  return dynamic_cast<Cycler&>(self.object()).next();
}

Value cycler_reset(Interpreter&, const Value& self, Arguments&) {
  dynamic_cast<Cycler&>(self.object()).reset();
  return {};
}

// The object itself as a value; objects are always held by shared pointers.
template <typename T>
Value itself(const T& object) {
  return std::const_pointer_cast<Object>(std::static_pointer_cast<const Object>(object.shared_from_this()));
}

}  // namespace

std::optional<Value> LoopObject::attribute(std::string_view name) const {
  const auto number = [](std::size_t value) { return Value(static_cast<std::int64_t>(value)); };
  const std::size_t size = items_->size();
  if (name == "index") return number(index_ + 1);
  if (name == "index0") return number(index_);
  if (name == "first") return index_ == 0;
  if (name == "last") return index_ + 1 == size;
  if (name == "length") return number(size);
  if (name == "revindex") return number(size - index_);
  if (name == "revindex0") return number(size - index_ - 1);
  if (name == "depth") return std::int64_t{depth0_ + 1};
  if (name == "depth0") return std::int64_t{depth0_};
  if (name == "previtem")
    return index_ > 0 ? (*items_)[index_ - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return index_ + 1 < size ? (*items_)[index_ + 1] : Value::undefined("there is no next item");
  if (name == "cycle") return method("cycle", itself(*this), loop_cycle);
  if (name == "changed") return method("changed", itself(*this), loop_changed);
  return std::nullopt;
}

Value LoopObject::call(Interpreter& interpreter, Arguments& arguments) {
  if (!loop_.recursive) {
    throw RuntimeFailure{"The loop must have the 'recursive' marker to be called recursively."};
  }
  const BoundArguments args("loop", {"iterable"}, 1, arguments);
  return interpreter.call_loop(loop_, scope_, args[0], depth0_ + 1);
}

Value LoopObject::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) throw RuntimeFailure{"no items for cycling given"};
  return arguments.positional[index_ % arguments.positional.size()];
}

bool LoopObject::changed(const Arguments& arguments) {
  const List& values = arguments.positional;
  const bool same = last_changed_ && std::equal(values.begin(), values.end(), last_changed_->begin(),
                                                last_changed_->end(), equal);
  if (same) return false;
  if (!finished_) last_changed_ = values;
  return true;
}

std::optional<Value> Cycler::attribute(std::string_view name) const {
  if (name == "current") return items_[position_];
  if (name == "next") return method("next", itself(*this), cycler_next);
  if (name == "reset") return method("reset", itself(*this), cycler_reset);
  return std::nullopt;
}

Value Cycler::next() {
  Value value = items_[position_];
  position_ = (position_ + 1) % items_.size();
  return value;
}

std::string DictView::repr(int depth) const {
  return fmt::format("{}({})", type_name_, Value(data_->items).repr(depth));
}

}  // namespace attend::jinja
