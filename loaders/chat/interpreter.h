// Runs a parsed template once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/chat/ast.h"
#include "loaders/chat/budget.h"
#include "loaders/chat/local_time.h"
#include "loaders/chat/value.h"

namespace attend::jinja {

// Variables of one block. Macros keep the scope that they were defined in.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<NameId, Value>> variables;

  void set(NameId name, Value value);
  const Value* find(NameId name) const;
};
using ScopePtr = std::shared_ptr<Scope>;

class NamespaceObject;

class Interpreter {
 public:
  using Variables = std::vector<std::pair<std::string, Value>>;

  Interpreter(const Template& source, const LocalTime& now) : template_(source), now_(now) {}
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  // Throws RuntimeFailure or BudgetExceeded; position() then tells where. May be called once.
  std::string render(const Variables& variables);
  const Position& position() const { return position_; }

  // For filters, tests, functions and methods.
  Budget& budget() { return budget_; }
  const LocalTime& now() const { return now_; }
  // obj.name and obj[key] with Jinja2's lookups; an undefined value when there is nothing.
  Value get_attribute(const Value& object, const std::string& name);
  Value get_item(const Value& object, const Value& key);
  Value call(const Value& callee, Arguments& arguments);
  Value apply_filter(const std::string& name, const Value& input, Arguments& arguments);
  bool apply_test(const std::string& name, const Value& input, Arguments& arguments);
  Value make_namespace(Variables attributes);
  // What a macro (or the body of a call block) writes.
  Value call_macro(const Macro& macro, const ScopePtr& scope, Arguments& arguments);
  // What the body of a recursive loop writes for other items.
  Value call_loop(const For& loop, const ScopePtr& scope, const Value& iterable, int depth0);

 private:
  enum class Flow : std::uint8_t { normal, loop_break, loop_continue };

  // Statements (interpreter.cpp).
  Flow execute(const Body& body, const ScopePtr& scope);
  Flow execute(const Statement& statement, const ScopePtr& scope);
  void execute_for(const For& loop, const ScopePtr& scope, const Value& iterable, int depth0);
  Flow execute_if(const If& node, const ScopePtr& scope);
  void execute_set_block(const SetBlock& node, const ScopePtr& scope);
  void execute_call_block(const CallBlock& node, const ScopePtr& scope);
  Flow execute_with(const With& node, const ScopePtr& scope);
  void assign(const Target& target, const Value& value, const ScopePtr& scope);
  // What the body writes, as text.
  std::string capture(const Body& body, const ScopePtr& scope, Flow* flow = nullptr);
  void write(std::string_view text);
  void keep(const ScopePtr& scope) { kept_scopes_.push_back(scope); }
  NameId find_name(std::string_view name) const;

  // Expressions (interpreter_expressions.cpp).
  Value evaluate(const Expression& expression, const ScopePtr& scope);
  Value evaluate_name(const Name& name, const ScopePtr& scope);
  Value evaluate_sequence(const Sequence& sequence, const ScopePtr& scope);
  Value evaluate_dict(const DictLiteral& dict, const ScopePtr& scope);
  Value evaluate_conditional(const Conditional& node, const ScopePtr& scope);
  Value evaluate_logical(const Logical& node, const ScopePtr& scope);
  Value evaluate_comparison(const ComparisonChain& node, const ScopePtr& scope);
  Value evaluate_arithmetic(const Arithmetic& node, const ScopePtr& scope);
  Value evaluate_slice(const Slice& node, const ScopePtr& scope);
  Value evaluate_call(const Call& node, const ScopePtr& scope);
  // `block` is the input of a filter chain that has none of its own.
  Value evaluate_filter(const Filter& filter, const ScopePtr& scope, const Value* block);
  Value evaluate_test(const Test& test, const ScopePtr& scope);
  Arguments evaluate_arguments(const CallArguments& arguments, const ScopePtr& scope);

  class DepthGuard;

  const Template& template_;
  const LocalTime now_;
  Budget budget_;
  Position position_;
  std::string output_;
  std::string* out_ = &output_;
  int depth_ = 0;       // of evaluation, all kinds
  int call_depth_ = 0;  // of macros and recursive loops
  // Scopes of macros and namespaces may refer to themselves; they are emptied at the end.
  std::vector<ScopePtr> kept_scopes_;
  std::vector<std::shared_ptr<NamespaceObject>> namespaces_;
};

}  // namespace attend::jinja
