#include "loaders/chat/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "loaders/chat/objects.h"
#include "loaders/chat/operations.h"

namespace attend::jinja {

void Scope::set(NameId name, Value value) {
  for (auto& [known, held] : variables) {
    if (known == name) {
      held = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

const Value* Scope::find(NameId name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

Interpreter::~Interpreter() {
  // Take every value out before any of them goes, so that nothing is destroyed in a long chain.
  std::vector<std::pair<NameId, Value>> values;
  for (const ScopePtr& scope : kept_scopes_) {
    std::move(scope->variables.begin(), scope->variables.end(), std::back_inserter(values));
    scope->variables.clear();
  }
  for (const auto& space : namespaces_) space->clear();
}

NameId Interpreter::find_name(std::string_view name) const {
  const auto found = std::find(template_.names.begin(), template_.names.end(), name);
  return static_cast<NameId>(found - template_.names.begin());
}

std::string Interpreter::render(const Variables& variables) {
  const auto context = std::make_shared<Scope>(nullptr);
  for (const std::string& name : template_.names) {
    const auto given =
        std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
    if (given != variables.end()) {
      context->set(find_name(name), given->second);
    } else if (auto global = find_global(name)) {
      context->set(find_name(name), *std::move(global));
    }
  }
  const auto root = std::make_shared<Scope>(context);
  execute(template_.body, root);
  return std::move(output_);
}

void Interpreter::write(std::string_view text) {
  budget_.text(out_->size() + text.size() > Budget::kMaxTextBytes ? Budget::kMaxTextBytes + 1 : text.size());
  *out_ += text;
}

std::string Interpreter::capture(const Body& body, const ScopePtr& scope, Flow* flow) {
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  const Flow result = execute(body, scope);
  out_ = outer;
  if (flow != nullptr) *flow = result;
  return text;
}

Interpreter::Flow Interpreter::execute(const Body& body, const ScopePtr& scope) {
  for (const StatementPtr& statement : body) {
    if (const Flow flow = execute(*statement, scope); flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement, const ScopePtr& scope) {
  budget_.step();
  position_ = statement.position;
  switch (statement.kind) {
    case StatementKind::text: write(static_cast<const Text&>(statement).text); break;
    case StatementKind::output:
      write(evaluate(*static_cast<const Output&>(statement).expression, scope).str());
      break;
    case StatementKind::set: {
      const auto& node = static_cast<const Set&>(statement);
      assign(node.target, evaluate(*node.value, scope), scope);
      break;
    }
    case StatementKind::set_block: execute_set_block(static_cast<const SetBlock&>(statement), scope); break;
    case StatementKind::loop: {
      const auto& node = static_cast<const For&>(statement);
      execute_for(node, scope, evaluate(*node.iterable, scope), 0);
      break;
    }
    case StatementKind::condition: return execute_if(static_cast<const If&>(statement), scope);
    case StatementKind::macro: {
      const auto& node = static_cast<const Macro&>(statement);
      keep(scope);
      scope->set(node.name, std::shared_ptr<Object>(
                                std::make_shared<MacroObject>(node, scope, template_.names[node.name])));
      break;
    }
    case StatementKind::call_block:
      execute_call_block(static_cast<const CallBlock&>(statement), scope);
      break;
    case StatementKind::filter_block: {
      const auto& node = static_cast<const FilterBlock&>(statement);
      const Value text = capture(node.body, std::make_shared<Scope>(scope));
      write(evaluate_filter(static_cast<const Filter&>(*node.filter), scope, &text).str());
      break;
    }
    case StatementKind::with: return execute_with(static_cast<const With&>(statement), scope);
    case StatementKind::scope:
      return execute(static_cast<const Scoped&>(statement).body, std::make_shared<Scope>(scope));
    case StatementKind::loop_break: return Flow::loop_break;
    case StatementKind::loop_continue: return Flow::loop_continue;
    case StatementKind::unsupported: throw RuntimeFailure{static_cast<const Unsupported&>(statement).message};
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute_if(const If& node, const ScopePtr& scope) {
  for (const auto& [test, body] : node.branches) {
    if (evaluate(*test, scope).truthy()) return execute(body, scope);
  }
  return execute(node.otherwise, scope);
}

Interpreter::Flow Interpreter::execute_with(const With& node, const ScopePtr& scope) {
  const auto inner = std::make_shared<Scope>(scope);
  // The values see the names outside.
  List values;
  for (const auto& [target, value] : node.assignments) values.push_back(evaluate(*value, scope));
  for (std::size_t i = 0; i < values.size(); ++i) assign(node.assignments[i].first, values[i], inner);
  return execute(node.body, inner);
}

void Interpreter::execute_set_block(const SetBlock& node, const ScopePtr& scope) {
  Value text = capture(node.body, std::make_shared<Scope>(scope));
  if (node.filter) text = evaluate_filter(static_cast<const Filter&>(*node.filter), scope, &text);
  assign(node.target, text, scope);
}

void Interpreter::execute_call_block(const CallBlock& node, const ScopePtr& scope) {
  const Value callee = evaluate(*node.call->callee, scope);
  Arguments arguments = evaluate_arguments(node.call->arguments, scope);
  keep(scope);
  arguments.keywords.emplace_back(
      "caller", std::shared_ptr<Object>(std::make_shared<MacroObject>(*node.caller, scope, "caller")));
  position_ = node.position;
  write(call(callee, arguments).str());
}

void Interpreter::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  position_ = target.position;
  if (target.attribute) {
    const Value* owner = scope->find(target.name);
    auto* space = owner != nullptr && owner->type() == Value::Type::object
                      ? dynamic_cast<NamespaceObject*>(&owner->object())
                      : nullptr;
    if (space == nullptr) throw RuntimeFailure{"cannot assign attribute on non-namespace object"};
    space->set(*target.attribute, value);
    return;
  }
  if (!target.is_tuple) {
    scope->set(target.name, value);
    return;
  }
  if (value.is_undefined()) throw RuntimeFailure{value.undefined_message()};
  if (!is_iterable(value))
    throw RuntimeFailure{fmt::format("cannot unpack non-iterable {} object", value.type_name())};
  const auto items = iterate(value, budget_);
  if (items->size() < target.parts.size()) {
    throw RuntimeFailure{
        fmt::format("not enough values to unpack (expected {}, got {})", target.parts.size(), items->size())};
  }
  if (items->size() > target.parts.size()) {
    throw RuntimeFailure{fmt::format("too many values to unpack (expected {})", target.parts.size())};
  }
  for (std::size_t i = 0; i < items->size(); ++i) assign(target.parts[i], (*items)[i], scope);
}

void Interpreter::execute_for(const For& loop, const ScopePtr& scope, const Value& iterable, int depth0) {
  std::shared_ptr<const List> items = iterate(iterable, budget_).shared();
  if (loop.test) {
    List passed;
    for (const Value& item : *items) {
      budget_.step();
      const auto inner = std::make_shared<Scope>(scope);
      assign(loop.target, item, inner);
      if (evaluate(*loop.test, inner).truthy()) passed.push_back(item);
    }
    items = std::make_shared<const List>(std::move(passed));
  }
  const NameId loop_name = find_name("loop");
  const bool reads_loop = loop_name < template_.names.size();
  const auto state = reads_loop ? std::make_shared<LoopObject>(loop, scope, items, depth0) : nullptr;
  struct Finish {
    LoopObject* loop;
    ~Finish() {
      if (loop != nullptr) loop->finish();
    }
  } const finish{state.get()};
  for (std::size_t i = 0; i < items->size(); ++i) {
    budget_.step();
    const auto inner = std::make_shared<Scope>(scope);
    if (state) {
      state->advance(i);
      inner->set(loop_name, std::shared_ptr<Object>(state));
    }
    assign(loop.target, (*items)[i], inner);
    if (execute(loop.body, inner) == Flow::loop_break) break;
  }
  if (items->empty()) execute(loop.otherwise, std::make_shared<Scope>(scope));
}

Value Interpreter::call_loop(const For& loop, const ScopePtr& scope, const Value& iterable, int depth0) {
  if (++call_depth_ > Budget::kMaxDepth) {
    throw BudgetExceeded{fmt::format("loops and macros are nested deeper than {}", Budget::kMaxDepth)};
  }
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  execute_for(loop, scope, iterable, depth0);
  out_ = outer;
  --call_depth_;
  return text;
}

}  // namespace attend::jinja
