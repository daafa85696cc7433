// The expression half of the grammar, from the loosest operator to the tightest.
#include <fmt/format.h>

#include <optional>

#include "loaders/chat/parser.h"

namespace attend::jinja {

ExpressionPtr Parser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  const Position position = current().position;
  ExpressionPtr value = parse_or();
  while (with_conditional && current().is_name("if")) {
    next();
    auto node = std::make_unique<Conditional>(position);
    node->then = std::move(value);
    node->test = parse_or();
    if (skip_name("else")) node->otherwise = parse_expression();
    adopt(*node, node->then.get());
    adopt(*node, node->test.get());
    adopt(*node, node->otherwise.get());
    value = std::move(node);
  }
  return value;
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr first = parse_and();
  if (!current().is_name("or")) return first;
  auto node = std::make_unique<Logical>(false, first->position);
  adopt(*node, first.get());
  node->operands.push_back(std::move(first));
  while (skip_name("or")) {
    node->operands.push_back(parse_and());
    adopt(*node, node->operands.back().get());
  }
  return node;
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr first = parse_not();
  if (!current().is_name("and")) return first;
  auto node = std::make_unique<Logical>(true, first->position);
  adopt(*node, first.get());
  node->operands.push_back(std::move(first));
  while (skip_name("and")) {
    node->operands.push_back(parse_not());
    adopt(*node, node->operands.back().get());
  }
  return node;
}

ExpressionPtr Parser::parse_not() {
  if (!current().is_name("not")) return parse_comparison();
  const Nesting nesting(*this);
  auto node = std::make_unique<Unary>(ExpressionKind::logical_not, current().position);
  next();
  node->operand = parse_not();
  adopt(*node, node->operand.get());
  return node;
}

namespace {

std::optional<Comparison> comparison_of(const Token& token) {
  if (token.is_op("==")) return Comparison::equal;
  if (token.is_op("!=")) return Comparison::not_equal;
  if (token.is_op("<")) return Comparison::less;
  if (token.is_op("<=")) return Comparison::less_equal;
  if (token.is_op(">")) return Comparison::greater;
  if (token.is_op(">=")) return Comparison::greater_equal;
  if (token.is_name("in")) return Comparison::contained;
  return std::nullopt;
}

std::optional<BinaryOperator> product_operator(const Token& token) {
  if (token.is_op("*")) return BinaryOperator::multiply;
  if (token.is_op("/")) return BinaryOperator::divide;
  if (token.is_op("//")) return BinaryOperator::floor_divide;
  if (token.is_op("%")) return BinaryOperator::modulo;
  return std::nullopt;
}

}  // namespace

ExpressionPtr Parser::parse_comparison() {
  ExpressionPtr first = parse_sum();
  auto node = std::make_unique<ComparisonChain>(first->position);
  while (true) {
    std::optional<Comparison> op = comparison_of(current());
    if (!op && current().is_name("not") && look().is_name("in")) {
      next();
      op = Comparison::not_contained;
    }
    if (!op) break;
    next();
    node->rest.emplace_back(*op, parse_sum());
    adopt(*node, node->rest.back().second.get());
  }
  if (node->rest.empty()) return first;
  adopt(*node, first.get());
  node->first = std::move(first);
  return node;
}

ExpressionPtr Parser::parse_sum() {
  ExpressionPtr first = parse_concatenation();
  if (!current().is_op("+") && !current().is_op("-")) return first;
  auto node = std::make_unique<Arithmetic>(first->position);
  adopt(*node, first.get());
  node->first = std::move(first);
  while (current().is_op("+") || current().is_op("-")) {
    const auto op = next().text == "+" ? BinaryOperator::add : BinaryOperator::subtract;
    node->rest.emplace_back(op, parse_concatenation());
    adopt(*node, node->rest.back().second.get());
  }
  return node;
}

ExpressionPtr Parser::parse_concatenation() {
  ExpressionPtr first = parse_product();
  if (!current().is_op("~")) return first;
  auto node = std::make_unique<Sequence>(ExpressionKind::concatenation, first->position);
  adopt(*node, first.get());
  node->items.push_back(std::move(first));
  while (skip_op("~")) {
    node->items.push_back(parse_product());
    adopt(*node, node->items.back().get());
  }
  return node;
}

ExpressionPtr Parser::parse_product() {
  ExpressionPtr first = parse_power();
  if (!product_operator(current())) return first;
  auto node = std::make_unique<Arithmetic>(first->position);
  adopt(*node, first.get());
  node->first = std::move(first);
  while (const auto op = product_operator(current())) {
    next();
    node->rest.emplace_back(*op, parse_power());
    adopt(*node, node->rest.back().second.get());
  }
  return node;
}

// From the left, unlike Python's.
ExpressionPtr Parser::parse_power() {
  ExpressionPtr first = parse_unary();
  if (!current().is_op("**")) return first;
  auto node = std::make_unique<Arithmetic>(first->position);
  adopt(*node, first.get());
  node->first = std::move(first);
  while (skip_op("**")) {
    node->rest.emplace_back(BinaryOperator::power, parse_unary());
    adopt(*node, node->rest.back().second.get());
  }
  return node;
}

ExpressionPtr Parser::parse_unary(bool with_filter) {
  const Nesting nesting(*this);
  ExpressionPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const Position position = current().position;
    const bool minus = next().text == "-";
    auto unary = std::make_unique<Unary>(minus ? ExpressionKind::negation : ExpressionKind::plus, position);
    unary->operand = parse_unary(false);
    adopt(*unary, unary->operand.get());
    node = std::move(unary);
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::parse_primary() {
  const Position position = current().position;
  switch (current().type) {
    case TokenType::name: {
      const std::string name = next().text;
      if (name == "true" || name == "True") return std::make_unique<Constant>(true, position);
      if (name == "false" || name == "False") return std::make_unique<Constant>(false, position);
      if (name == "none" || name == "None") return std::make_unique<Constant>(Value(), position);
      reads_varargs_ = reads_varargs_ || name == "varargs";
      reads_kwargs_ = reads_kwargs_ || name == "kwargs";
      reads_caller_ = reads_caller_ || name == "caller";
      return std::make_unique<Name>(name_id(name), position);
    }
    case TokenType::string: {
      std::string text = next().text;
      while (current().type == TokenType::string) text += next().text;
      return std::make_unique<Constant>(std::move(text), position);
    }
    case TokenType::integer: return std::make_unique<Constant>(next().integer, position);
    case TokenType::floating: return std::make_unique<Constant>(next().floating, position);
    default: break;
  }
  if (skip_op("(")) {
    ExpressionPtr node = parse_tuple(true, true);
    expect_op(")");
    return node;
  }
  if (current().is_op("[")) return parse_list();
  if (current().is_op("{")) return parse_dict();
  fail(position, fmt::format("unexpected '{}'", describe(current())));
}

ExpressionPtr Parser::parse_tuple(bool with_conditional, bool in_parentheses, bool before_recursive) {
  const Nesting nesting(*this);
  auto tuple = std::make_unique<Sequence>(ExpressionKind::tuple, current().position);
  bool is_tuple = false;
  const auto at_end = [&] {
    return current().type == TokenType::variable_end || current().type == TokenType::block_end ||
           current().is_op(")") || (before_recursive && current().is_name("recursive"));
  };
  while (!at_end()) {
    tuple->items.push_back(parse_expression(with_conditional));
    adopt(*tuple, tuple->items.back().get());
    if (!skip_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !tuple->items.empty()) return std::move(tuple->items.front());
  if (!is_tuple && !in_parentheses) {
    fail(current().position, fmt::format("Expected an expression, got '{}'", describe(current())));
  }
  return tuple;
}

ExpressionPtr Parser::parse_list() {
  auto list = std::make_unique<Sequence>(ExpressionKind::list, current().position);
  expect_op("[");
  while (!current().is_op("]")) {
    if (!list->items.empty()) expect_op(",");
    if (current().is_op("]")) break;
    list->items.push_back(parse_expression());
    adopt(*list, list->items.back().get());
  }
  expect_op("]");
  return list;
}

ExpressionPtr Parser::parse_dict() {
  auto dict = std::make_unique<DictLiteral>(current().position);
  expect_op("{");
  while (!current().is_op("}")) {
    if (!dict->entries.empty()) expect_op(",");
    if (current().is_op("}")) break;
    ExpressionPtr key = parse_expression();
    expect_op(":");
    ExpressionPtr value = parse_expression();
    adopt(*dict, key.get());
    adopt(*dict, value.get());
    dict->entries.emplace_back(std::move(key), std::move(value));
  }
  expect_op("}");
  return dict;
}

}  // namespace attend::jinja
