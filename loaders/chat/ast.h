// A parsed template. Plain data, never changed after parsing, so that any number of threads can render it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loaders/chat/lexer.h"
#include "loaders/chat/operations.h"
#include "loaders/chat/value.h"

namespace attend::jinja {

struct FilterFunction;
struct TestFunction;

// Index into Template::names.
using NameId = std::uint32_t;

enum class ExpressionKind : std::uint8_t {
  constant,
  name,
  tuple,
  list,
  dict,
  conditional,
  logical,
  logical_not,
  comparison,
  arithmetic,
  concatenation,
  negation,
  plus,
  attribute,
  item,
  slice,
  call,
  filter,
  test
};

struct Expression {
  Expression(ExpressionKind k, Position p) : kind(k), position(p) {}
  virtual ~Expression() = default;
  ExpressionKind kind;
  std::uint16_t depth = 1;  // of the tree below
  Position position;
};
using ExpressionPtr = std::unique_ptr<Expression>;
using Expressions = std::vector<ExpressionPtr>;

struct Constant final : Expression {
  Constant(Value v, Position p) : Expression(ExpressionKind::constant, p), value(std::move(v)) {}
  Value value;
};

struct Name final : Expression {
  Name(NameId n, Position p) : Expression(ExpressionKind::name, p), id(n) {}
  NameId id;
};

// tuple, list, concatenation (a ~ b ~ c)
struct Sequence final : Expression {
  using Expression::Expression;
  Expressions items;
};

struct DictLiteral final : Expression {
  explicit DictLiteral(Position p) : Expression(ExpressionKind::dict, p) {}
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

struct Conditional final : Expression {
  explicit Conditional(Position p) : Expression(ExpressionKind::conditional, p) {}
  ExpressionPtr test, then, otherwise;  // `otherwise` may be absent
};

// a and b and c, or the same with `or`.
struct Logical final : Expression {
  Logical(bool all, Position p) : Expression(ExpressionKind::logical, p), conjunction(all) {}
  bool conjunction;
  Expressions operands;
};

// negation, plus, logical_not
struct Unary final : Expression {
  using Expression::Expression;
  ExpressionPtr operand;
};

// a < b <= c
struct ComparisonChain final : Expression {
  explicit ComparisonChain(Position p) : Expression(ExpressionKind::comparison, p) {}
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};

// a + b - c, from the left; operators of one precedence.
struct Arithmetic final : Expression {
  explicit Arithmetic(Position p) : Expression(ExpressionKind::arithmetic, p) {}
  ExpressionPtr first;
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
};

struct Attribute final : Expression {
  explicit Attribute(Position p) : Expression(ExpressionKind::attribute, p) {}
  ExpressionPtr object;
  std::string name;
};

struct Item final : Expression {
  explicit Item(Position p) : Expression(ExpressionKind::item, p) {}
  ExpressionPtr object, index;
};

struct Slice final : Expression {
  explicit Slice(Position p) : Expression(ExpressionKind::slice, p) {}
  ExpressionPtr object, start, stop, step;  // bounds may be absent
};

struct CallArguments {
  Expressions positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr more_positional;  // *expression
  ExpressionPtr more_keywords;    // **expression
};

struct Call final : Expression {
  explicit Call(Position p) : Expression(ExpressionKind::call, p) {}
  ExpressionPtr callee;
  CallArguments arguments;
};

struct Filter final : Expression {
  explicit Filter(Position p) : Expression(ExpressionKind::filter, p) {}
  ExpressionPtr input;  // absent for the innermost filter of a filter block
  std::string name;
  const FilterFunction* function = nullptr;  // null: unknown, an error when it runs
  CallArguments arguments;
};

struct Test final : Expression {
  explicit Test(Position p) : Expression(ExpressionKind::test, p) {}
  ExpressionPtr input;
  std::string name;
  const TestFunction* function = nullptr;
  CallArguments arguments;
};

// What `set` and `for` assign to: a name, an attribute of a namespace, or a tuple of them.
struct Target {
  Position position;
  NameId name = 0;
  std::optional<std::string> attribute;
  std::vector<Target> parts;
  bool is_tuple = false;
};

enum class StatementKind : std::uint8_t {
  text,
  output,
  set,
  set_block,
  loop,
  condition,
  macro,
  call_block,
  filter_block,
  with,
  scope,
  loop_break,
  loop_continue,
  unsupported
};

struct Statement {
  Statement(StatementKind k, Position p) : kind(k), position(p) {}
  virtual ~Statement() = default;
  StatementKind kind;
  Position position;
};
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Text final : Statement {
  Text(std::string t, Position p) : Statement(StatementKind::text, p), text(std::move(t)) {}
  std::string text;
};

struct Output final : Statement {
  Output(ExpressionPtr e, Position p) : Statement(StatementKind::output, p), expression(std::move(e)) {}
  ExpressionPtr expression;
};

struct Set final : Statement {
  explicit Set(Position p) : Statement(StatementKind::set, p) {}
  Target target;
  ExpressionPtr value;
};

struct SetBlock final : Statement {
  explicit SetBlock(Position p) : Statement(StatementKind::set_block, p) {}
  Target target;
  ExpressionPtr filter;  // may be absent
  Body body;
};

struct For final : Statement {
  explicit For(Position p) : Statement(StatementKind::loop, p) {}
  Target target;
  ExpressionPtr iterable, test;  // `test` may be absent
  bool recursive = false;
  Body body, otherwise;
};

struct If final : Statement {
  explicit If(Position p) : Statement(StatementKind::condition, p) {}
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};

struct Signature {
  std::vector<NameId> parameters;
  Expressions defaults;  // of the last parameters
};

// A macro, or the body of a call block.
struct Macro final : Statement {
  explicit Macro(Position p) : Statement(StatementKind::macro, p) {}
  NameId name = 0;
  bool anonymous = false;
  Signature signature;
  Body body;
  // Which of these names the body reads, so which extra arguments it accepts.
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

struct CallBlock final : Statement {
  explicit CallBlock(Position p) : Statement(StatementKind::call_block, p) {}
  std::unique_ptr<Call> call;
  std::unique_ptr<Macro> caller;
};

struct FilterBlock final : Statement {
  explicit FilterBlock(Position p) : Statement(StatementKind::filter_block, p) {}
  ExpressionPtr filter;
  Body body;
};

struct With final : Statement {
  explicit With(Position p) : Statement(StatementKind::with, p) {}
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};

// `generation` and `block`: a body with names of its own.
struct Scoped final : Statement {
  explicit Scoped(Position p) : Statement(StatementKind::scope, p) {}
  Body body;
};

// include, import, from, extends: an error when it runs.
struct Unsupported final : Statement {
  Unsupported(std::string m, Position p) : Statement(StatementKind::unsupported, p), message(std::move(m)) {}
  std::string message;
};

struct Template {
  Body body;
  std::vector<std::string> names;
};

}  // namespace attend::jinja
