// Functions that every chat template can call.
#include <fmt/format.h>

#include "loaders/chat/filters.h"
#include "loaders/chat/objects.h"
#include "loaders/chat/operations.h"

namespace attend::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // Jinja2's sandbox has the same

Value global_range(Interpreter&, Arguments& arguments) {
  if (!arguments.keywords.empty()) throw RuntimeFailure{"range() takes no keyword arguments"};
  const BoundArguments args("range", {"start", "stop", "step"}, 1, arguments);
  Range range;
  range.start = args.has(1) ? args.integer_or(0, 0) : 0;
  range.stop = args.has(1) ? args.integer_or(1, 0) : args.integer_or(0, 0);
  range.step = args.integer_or(2, 1);
  if (range.step == 0) throw RuntimeFailure{"range() arg 3 must not be zero"};
  if (range.size() > kMaxRange || range.size() < 0) {
    throw BudgetExceeded{
        fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange)};
  }
  return range;
}

// dict(mapping or pairs, name=value ...)
Dict make_dict(Interpreter& interpreter, Arguments& arguments) {
  if (arguments.positional.size() > 1) {
    throw RuntimeFailure{
        fmt::format("dict expected at most 1 argument, got {}", arguments.positional.size())};
  }
  Dict dict;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional.front();
    interpreter.budget().step(source.extent().weight);
    if (source.is_dict()) {
      dict = source.dict();
    } else {
      std::size_t index = 0;
      for (const Value& pair : iterate(source, interpreter.budget())) {
        const auto parts = iterate(pair, interpreter.budget());
        if (parts->size() != 2) {
          throw RuntimeFailure{fmt::format(
              "dictionary update sequence element #{} has length {}; 2 is required", index, parts->size())};
        }
        dict.set((*parts)[0], (*parts)[1]);
        ++index;
      }
    }
  }
  for (auto& [name, value] : arguments.keywords) dict.set(name, std::move(value));
  return dict;
}

Value dict_fromkeys(Interpreter& interpreter, Arguments& arguments) {
  const BoundArguments args("fromkeys", {"iterable", "value"}, 1, arguments);
  Dict dict;
  for (const Value& key : iterate(args[0], interpreter.budget())) dict.set(key, args.value_or(1, {}));
  return dict;
}

class DictFunction final : public Object {
 public:
  std::string_view type_name() const override { return "TemplateDict"; }
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override {
    return make_dict(interpreter, arguments);
  }
  std::optional<Value> attribute(std::string_view name) const override {
    if (name != "fromkeys") return std::nullopt;
    return std::shared_ptr<Object>(std::make_shared<Function>("fromkeys", dict_fromkeys));
  }
};

Value global_namespace(Interpreter& interpreter, Arguments& arguments) {
  Interpreter::Variables attributes;
  const Dict dict = make_dict(interpreter, arguments);
  NamespaceObject checked({});
  for (const auto& [key, value] : dict.entries()) {
    checked.set(key.str(), {});  // refuses names with an underscore
    attributes.emplace_back(key.str(), value);
  }
  return interpreter.make_namespace(std::move(attributes));
}

Value global_cycler(Interpreter&, Arguments& arguments) {
  if (arguments.positional.empty()) throw RuntimeFailure{"at least one item has to be provided"};
  return std::shared_ptr<Object>(std::make_shared<Cycler>(std::move(arguments.positional)));
}

Value global_joiner(Interpreter&, Arguments& arguments) {
  const BoundArguments args("joiner", {"sep"}, 0, arguments);
  return std::shared_ptr<Object>(std::make_shared<Joiner>(args.value_or(0, ", ")));
}

Value global_raise_exception(Interpreter&, Arguments& arguments) {
  const BoundArguments args("raise_exception", {"message"}, 1, arguments);
  throw RuntimeFailure{args[0].str()};
}

Value global_strftime_now(Interpreter& interpreter, Arguments& arguments) {
  const BoundArguments args("strftime_now", {"format"}, 1, arguments);
  if (!args[0].is_string()) {
    throw RuntimeFailure{fmt::format("strftime() argument 1 must be str, not {}", args[0].type_name())};
  }
  std::string text = interpreter.now().format(args[0].string());
  interpreter.budget().text(text.size());
  return text;
}

template <Function::Body body>
Value function(std::string_view name) {
  return std::shared_ptr<Object>(std::make_shared<Function>(name, body));
}

}  // namespace

std::optional<Value> find_global(std::string_view name) {
  if (name == "range") return function<global_range>("range");
  if (name == "dict") return std::shared_ptr<Object>(std::make_shared<DictFunction>());
  if (name == "namespace") return function<global_namespace>("namespace");
  if (name == "cycler") return function<global_cycler>("cycler");
  if (name == "joiner") return function<global_joiner>("joiner");
  if (name == "raise_exception") return function<global_raise_exception>("raise_exception");
  if (name == "strftime_now") return function<global_strftime_now>("strftime_now");
  return std::nullopt;
}

}  // namespace attend::jinja
