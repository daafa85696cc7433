#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loaders/chat/filters.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/objects.h"
#include "loaders/chat/operations.h"

namespace attend::jinja {
namespace {

constexpr int kMaxEvaluationDepth = 1000;

}  // namespace

class Interpreter::DepthGuard {
 public:
  explicit DepthGuard(int& depth) : depth_(depth) {
    if (depth_ >= kMaxEvaluationDepth) throw BudgetExceeded{"expressions and macros are nested too deeply"};
    ++depth_;
  }
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

Value Interpreter::evaluate(const Expression& expression, const ScopePtr& scope) {
  const DepthGuard guard(depth_);
  budget_.step();
  switch (expression.kind) {
    case ExpressionKind::constant: return static_cast<const Constant&>(expression).value;
    case ExpressionKind::name: return evaluate_name(static_cast<const Name&>(expression), scope);
    case ExpressionKind::tuple:
    case ExpressionKind::list:
    case ExpressionKind::concatenation:
      return evaluate_sequence(static_cast<const Sequence&>(expression), scope);
    case ExpressionKind::dict: return evaluate_dict(static_cast<const DictLiteral&>(expression), scope);
    case ExpressionKind::conditional:
      return evaluate_conditional(static_cast<const Conditional&>(expression), scope);
    case ExpressionKind::logical: return evaluate_logical(static_cast<const Logical&>(expression), scope);
    case ExpressionKind::logical_not:
      return !evaluate(*static_cast<const Unary&>(expression).operand, scope).truthy();
    case ExpressionKind::comparison:
      return evaluate_comparison(static_cast<const ComparisonChain&>(expression), scope);
    case ExpressionKind::arithmetic:
      return evaluate_arithmetic(static_cast<const Arithmetic&>(expression), scope);
    case ExpressionKind::negation:
    case ExpressionKind::plus: {
      const Value operand = evaluate(*static_cast<const Unary&>(expression).operand, scope);
      position_ = expression.position;
      return expression.kind == ExpressionKind::negation ? negate(operand) : positive(operand);
    }
    case ExpressionKind::attribute: {
      const auto& node = static_cast<const Attribute&>(expression);
      const Value object = evaluate(*node.object, scope);
      position_ = node.position;
      return get_attribute(object, node.name);
    }
    case ExpressionKind::item: {
      const auto& node = static_cast<const Item&>(expression);
      const Value object = evaluate(*node.object, scope);
      const Value index = evaluate(*node.index, scope);
      position_ = node.position;
      return get_item(object, index);
    }
    case ExpressionKind::slice: return evaluate_slice(static_cast<const Slice&>(expression), scope);
    case ExpressionKind::call: return evaluate_call(static_cast<const Call&>(expression), scope);
    case ExpressionKind::filter:
      return evaluate_filter(static_cast<const Filter&>(expression), scope, nullptr);
    case ExpressionKind::test: return evaluate_test(static_cast<const Test&>(expression), scope);
  }
  return {};
}

Value Interpreter::evaluate_name(const Name& name, const ScopePtr& scope) {
  if (const Value* value = scope->find(name.id)) return *value;
  return Value::undefined(fmt::format("{} is undefined", string_repr(template_.names[name.id])));
}

Value Interpreter::evaluate_sequence(const Sequence& sequence, const ScopePtr& scope) {
  if (sequence.kind == ExpressionKind::concatenation) {
    std::string text;
    for (const ExpressionPtr& item : sequence.items) {
      text += evaluate(*item, scope).str();
      budget_.text(text.size());
    }
    return text;
  }
  List items;
  items.reserve(sequence.items.size());
  for (const ExpressionPtr& item : sequence.items) items.push_back(evaluate(*item, scope));
  return sequence.kind == ExpressionKind::list ? Value(std::move(items)) : Value::tuple(std::move(items));
}

Value Interpreter::evaluate_dict(const DictLiteral& dict, const ScopePtr& scope) {
  Dict result;
  for (const auto& [key, value] : dict.entries) {
    Value evaluated_key = evaluate(*key, scope);
    result.set(std::move(evaluated_key), evaluate(*value, scope));
  }
  return result;
}

Value Interpreter::evaluate_conditional(const Conditional& node, const ScopePtr& scope) {
  if (evaluate(*node.test, scope).truthy()) return evaluate(*node.then, scope);
  if (node.otherwise) return evaluate(*node.otherwise, scope);
  return Value::undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was defined.",
                  node.position.line));
}

Value Interpreter::evaluate_logical(const Logical& node, const ScopePtr& scope) {
  Value value;
  for (const ExpressionPtr& operand : node.operands) {
    value = evaluate(*operand, scope);
    if (value.truthy() != node.conjunction) break;
  }
  return value;
}

Value Interpreter::evaluate_comparison(const ComparisonChain& node, const ScopePtr& scope) {
  Value left = evaluate(*node.first, scope);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand, scope);
    position_ = node.position;
    if (!compare(op, left, right, budget_)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluate_arithmetic(const Arithmetic& node, const ScopePtr& scope) {
  Value value = evaluate(*node.first, scope);
  for (const auto& [op, operand] : node.rest) {
    const Value right = evaluate(*operand, scope);
    position_ = node.position;
    value = binary(op, value, right, budget_);
  }
  return value;
}

Value Interpreter::evaluate_slice(const Slice& node, const ScopePtr& scope) {
  const Value object = evaluate(*node.object, scope);
  const Value start = node.start ? evaluate(*node.start, scope) : Value();
  const Value stop = node.stop ? evaluate(*node.stop, scope) : Value();
  const Value step = node.step ? evaluate(*node.step, scope) : Value();
  position_ = node.position;
  if (object.is_undefined()) throw RuntimeFailure{object.undefined_message()};
  if (auto part = slice(object, start, stop, step, budget_)) return *std::move(part);
  return Value::undefined(fmt::format("{} has no element slice({}, {}, {})", object.type_description(),
                                      start.repr(), stop.repr(), step.repr()));
}

Arguments Interpreter::evaluate_arguments(const CallArguments& arguments, const ScopePtr& scope) {
  Arguments result;
  for (const ExpressionPtr& argument : arguments.positional)
    result.positional.push_back(evaluate(*argument, scope));
  for (const auto& [name, argument] : arguments.keywords)
    result.keywords.emplace_back(name, evaluate(*argument, scope));
  if (arguments.more_positional) {
    const auto more = iterate(evaluate(*arguments.more_positional, scope), budget_);
    result.positional.insert(result.positional.end(), more->begin(), more->end());
  }
  if (arguments.more_keywords) {
    const Value more = evaluate(*arguments.more_keywords, scope);
    if (!more.is_dict()) {
      throw RuntimeFailure{fmt::format("argument after ** must be a mapping, not {}", more.type_name())};
    }
    for (const auto& [key, value] : more.dict().entries()) {
      if (!key.is_string()) throw RuntimeFailure{"keywords must be strings"};
      result.keywords.emplace_back(key.string(), value);
    }
  }
  return result;
}

Value Interpreter::evaluate_call(const Call& node, const ScopePtr& scope) {
  const Value callee = evaluate(*node.callee, scope);
  Arguments arguments = evaluate_arguments(node.arguments, scope);
  position_ = node.position;
  return call(callee, arguments);
}

Value Interpreter::call(const Value& callee, Arguments& arguments) {
  budget_.step();
  if (callee.is_undefined()) throw RuntimeFailure{callee.undefined_message()};
  if (callee.type() != Value::Type::object) {
    throw RuntimeFailure{fmt::format("'{}' object is not callable", callee.type_name())};
  }
  const std::shared_ptr<Object> object = callee.object_pointer();
  return object->call(*this, arguments);
}

Value Interpreter::evaluate_filter(const Filter& filter, const ScopePtr& scope, const Value* block) {
  Value input;
  if (!filter.input) {
    if (block != nullptr) input = *block;
  } else if (block != nullptr) {
    // Only filters lie between the head of a filter block and its body.
    input = evaluate_filter(static_cast<const Filter&>(*filter.input), scope, block);
  } else {
    input = evaluate(*filter.input, scope);
  }
  Arguments arguments = evaluate_arguments(filter.arguments, scope);
  position_ = filter.position;
  if (filter.function == nullptr)
    throw RuntimeFailure{fmt::format("No filter named {} found.", string_repr(filter.name))};
  return filter.function->apply(*this, input, arguments);
}

Value Interpreter::evaluate_test(const Test& test, const ScopePtr& scope) {
  const Value input = evaluate(*test.input, scope);
  Arguments arguments = evaluate_arguments(test.arguments, scope);
  position_ = test.position;
  if (test.function == nullptr)
    throw RuntimeFailure{fmt::format("No test named {} found.", string_repr(test.name))};
  return test.function->apply(*this, input, arguments);
}

Value Interpreter::apply_filter(const std::string& name, const Value& input, Arguments& arguments) {
  budget_.step();
  const FilterFunction* filter = find_filter(name);
  if (filter == nullptr) throw RuntimeFailure{fmt::format("No filter named {}.", string_repr(name))};
  return filter->apply(*this, input, arguments);
}

bool Interpreter::apply_test(const std::string& name, const Value& input, Arguments& arguments) {
  budget_.step();
  const TestFunction* test = find_test(name);
  if (test == nullptr) throw RuntimeFailure{fmt::format("No test named {}.", string_repr(name))};
  return test->apply(*this, input, arguments);
}

namespace {

Value unsafe_attribute(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("access to attribute {} of '{}' object is unsafe.", string_repr(name), object.type_name()));
}

}  // namespace

// Attributes come first, elements second.
Value Interpreter::get_attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) throw RuntimeFailure{object.undefined_message()};
  if (auto method = find_method(object, name)) return *std::move(method);
  if (object.is_dict()) {
    if (const Value* item = object.dict().find(std::string_view(name))) return *item;
  }
  if (is_unsafe_attribute(object, name)) return unsafe_attribute(object, name);
  return Value::undefined(
      fmt::format("{} has no attribute {}", string_repr(object.type_description()), string_repr(name)));
}

// Elements come first, attributes second.
Value Interpreter::get_item(const Value& object, const Value& key) {
  if (object.is_undefined()) throw RuntimeFailure{object.undefined_message()};
  if (auto item = subscript(object, key, budget_)) return *std::move(item);
  if (key.is_string()) {
    if (auto method = find_method(object, key.string())) return *std::move(method);
    if (is_unsafe_attribute(object, key.string())) return unsafe_attribute(object, key.string());
    return Value::undefined(
        fmt::format("{} has no attribute {}", string_repr(object.type_description()), key.repr()));
  }
  return Value::undefined(fmt::format("{} has no element {}", object.type_description(), key.repr()));
}

Value Interpreter::make_namespace(Variables attributes) {
  namespaces_.push_back(std::make_shared<NamespaceObject>(std::move(attributes)));
  return std::shared_ptr<Object>(namespaces_.back());
}

Value Interpreter::call_macro(const Macro& macro, const ScopePtr& outer, Arguments& arguments) {
  const auto& parameters = macro.signature.parameters;
  const std::string shown = macro.anonymous ? "None" : string_repr(template_.names[macro.name]);
  const auto scope = std::make_shared<Scope>(outer);
  const auto take_keyword = [&](std::string_view name) -> std::optional<Value> {
    auto& keywords = arguments.keywords;
    const auto found =
        std::find_if(keywords.begin(), keywords.end(), [&](const auto& k) { return k.first == name; });
    if (found == keywords.end()) return std::nullopt;
    Value value = std::move(found->second);
    keywords.erase(found);
    return value;
  };
  const std::size_t given = std::min(arguments.positional.size(), parameters.size());
  const std::size_t first_default = parameters.size() - macro.signature.defaults.size();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = template_.names[parameters[i]];
    if (i < given) {
      scope->set(parameters[i], arguments.positional[i]);
    } else if (auto keyword = take_keyword(name)) {
      scope->set(parameters[i], *std::move(keyword));
    } else if (i >= first_default) {
      scope->set(parameters[i], evaluate(*macro.signature.defaults[i - first_default], scope));
    } else {
      scope->set(parameters[i],
                 Value::undefined(fmt::format("parameter {} was not provided", string_repr(name))));
    }
  }
  const auto is_parameter = [&](NameId name) {
    return std::find(parameters.begin(), parameters.end(), name) != parameters.end();
  };
  if (const NameId caller = find_name("caller"); macro.uses_caller && !is_parameter(caller)) {
    auto given_caller = take_keyword("caller");
    scope->set(caller, given_caller ? *std::move(given_caller) : Value::undefined("No caller defined"));
  }
  if (macro.uses_kwargs) {
    Dict rest;
    for (auto& [name, value] : arguments.keywords) rest.set(name, std::move(value));
    scope->set(find_name("kwargs"), std::move(rest));
  } else if (!arguments.keywords.empty()) {
    const std::string& name = arguments.keywords.front().first;
    if (name == "caller") {
      throw RuntimeFailure{fmt::format(
          "macro {} was invoked with two values for the special caller argument. This is most likely a bug.",
          shown)};
    }
    throw RuntimeFailure{fmt::format("macro {} takes no keyword argument {}", shown, string_repr(name))};
  }
  if (macro.uses_varargs) {
    scope->set(find_name("varargs"),
               Value::tuple(List(arguments.positional.begin() + static_cast<std::ptrdiff_t>(given),
                                 arguments.positional.end())));
  } else if (arguments.positional.size() > parameters.size()) {
    throw RuntimeFailure{
        fmt::format("macro {} takes not more than {} argument(s)", shown, parameters.size())};
  }
  if (++call_depth_ > Budget::kMaxDepth) {
    throw BudgetExceeded{fmt::format("loops and macros are nested deeper than {}", Budget::kMaxDepth)};
  }
  std::string text = capture(macro.body, scope);
  --call_depth_;
  return text;
}

}  // namespace attend::jinja
