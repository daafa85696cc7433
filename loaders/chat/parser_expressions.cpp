// The expression half of the grammar, from the loosest operator to the tightest.
#include <fmt/format.h>

#include <optional>

#include "loaders/chat/filters.h"
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

ExpressionPtr Parser::parse_postfix(ExpressionPtr node) {
  while (true) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::parse_filters_and_tests(ExpressionPtr node) {
  while (true) {
    if (current().is_op("|")) {
      node = parse_filter(std::move(node));
    } else if (current().is_name("is")) {
      node = parse_test(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr object) {
  const Position position = current().position;
  if (skip_op(".")) {
    if (current().type == TokenType::name) {
      auto node = std::make_unique<Attribute>(position);
      node->name = next().text;
      adopt(*node, object.get());
      node->object = std::move(object);
      return node;
    }
    if (current().type != TokenType::integer) fail(current().position, "expected name or number");
    auto node = std::make_unique<Item>(position);
    node->index = std::make_unique<Constant>(next().integer, position);
    adopt(*node, object.get());
    node->object = std::move(object);
    return node;
  }
  expect_op("[");
  ExpressionPtr node = parse_subscript_item(std::move(object));
  if (current().is_op(",")) {
    // obj[a, b]: the index is a tuple.
    if (node->kind != ExpressionKind::item) fail(position, "slices in a tuple of indices are not supported");
    auto& item = static_cast<Item&>(*node);
    auto tuple = std::make_unique<Sequence>(ExpressionKind::tuple, position);
    tuple->items.push_back(std::move(item.index));
    while (skip_op(",")) tuple->items.push_back(parse_expression());
    for (const ExpressionPtr& part : tuple->items) adopt(*tuple, part.get());
    adopt(item, tuple.get());
    item.index = std::move(tuple);
  }
  expect_op("]");
  return node;
}

ExpressionPtr Parser::parse_subscript_item(ExpressionPtr object) {
  const Position position = current().position;
  ExpressionPtr start;
  if (!current().is_op(":")) {
    start = parse_expression();
    if (!current().is_op(":")) {
      auto node = std::make_unique<Item>(position);
      adopt(*node, object.get());
      adopt(*node, start.get());
      node->object = std::move(object);
      node->index = std::move(start);
      return node;
    }
  }
  expect_op(":");
  auto node = std::make_unique<Slice>(position);
  const auto bound_follows = [&] {
    return !current().is_op(":") && !current().is_op("]") && !current().is_op(",");
  };
  if (bound_follows()) node->stop = parse_expression();
  if (skip_op(":") && bound_follows()) node->step = parse_expression();
  for (const Expression* part : {object.get(), start.get(), node->stop.get(), node->step.get()})
    adopt(*node, part);
  node->object = std::move(object);
  node->start = std::move(start);
  return node;
}

CallArguments Parser::parse_arguments() {
  CallArguments arguments;
  const Position position = current().position;
  const auto ensure = [&](bool valid) {
    if (!valid) fail(position, "invalid syntax for function call expression");
  };
  expect_op("(");
  for (bool first = true; !current().is_op(")"); first = false) {
    if (!first) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    if (skip_op("*")) {
      ensure(!arguments.more_positional && !arguments.more_keywords);
      arguments.more_positional = parse_expression();
    } else if (skip_op("**")) {
      ensure(!arguments.more_keywords);
      arguments.more_keywords = parse_expression();
    } else if (current().type == TokenType::name && look().is_op("=")) {
      ensure(!arguments.more_keywords);
      std::string name = next().text;
      next();
      arguments.keywords.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(!arguments.more_positional && !arguments.more_keywords && arguments.keywords.empty());
      arguments.positional.push_back(parse_expression());
    }
  }
  expect_op(")");
  return arguments;
}

namespace {

template <typename Adopt>
void adopt_arguments(const CallArguments& arguments, const Adopt& adopt) {
  for (const ExpressionPtr& argument : arguments.positional) adopt(argument.get());
  for (const auto& [name, argument] : arguments.keywords) adopt(argument.get());
  adopt(arguments.more_positional.get());
  adopt(arguments.more_keywords.get());
}

}  // namespace

ExpressionPtr Parser::parse_call(ExpressionPtr callee) {
  auto node = std::make_unique<Call>(current().position);
  node->arguments = parse_arguments();
  adopt(*node, callee.get());
  adopt_arguments(node->arguments, [&](const Expression* argument) { adopt(*node, argument); });
  node->callee = std::move(callee);
  return node;
}

std::string Parser::parse_dotted_name() {
  std::string name = expect_any_name();
  while (skip_op(".")) name += "." + expect_any_name();
  return name;
}

ExpressionPtr Parser::parse_filter(ExpressionPtr input, bool first_without_pipe) {
  if (first_without_pipe) input = parse_one_filter(std::move(input));
  while (skip_op("|")) input = parse_one_filter(std::move(input));
  return input;
}

ExpressionPtr Parser::parse_one_filter(ExpressionPtr input) {
  auto node = std::make_unique<Filter>(current().position);
  node->name = parse_dotted_name();
  node->function = find_filter(node->name);
  if (node->function == nullptr && !inside_condition_) {
    fail(node->position, fmt::format("No filter named '{}'.", node->name));
  }
  if (current().is_op("(")) node->arguments = parse_arguments();
  adopt(*node, input.get());
  adopt_arguments(node->arguments, [&](const Expression* argument) { adopt(*node, argument); });
  node->input = std::move(input);
  return node;
}

ExpressionPtr Parser::parse_test(ExpressionPtr input) {
  const Position position = current().position;
  next();
  const bool negated = skip_name("not");
  auto node = std::make_unique<Test>(position);
  node->name = parse_dotted_name();
  node->function = find_test(node->name);
  if (node->function == nullptr && !inside_condition_)
    fail(position, fmt::format("No test named '{}'.", node->name));
  const Token& token = current();
  const bool operand_follows = token.type == TokenType::string || token.type == TokenType::integer ||
                               token.type == TokenType::floating || token.is_op("[") || token.is_op("{") ||
                               (token.type == TokenType::name && !token.is_name("else") &&
                                !token.is_name("or") && !token.is_name("and"));
  if (token.is_op("(")) {
    node->arguments = parse_arguments();
  } else if (operand_follows) {
    if (token.is_name("is")) fail(token.position, "You cannot chain multiple tests with is");
    node->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  adopt(*node, input.get());
  adopt_arguments(node->arguments, [&](const Expression* argument) { adopt(*node, argument); });
  node->input = std::move(input);
  if (!negated) return node;
  auto negation = std::make_unique<Unary>(ExpressionKind::logical_not, position);
  adopt(*negation, node.get());
  negation->operand = std::move(node);
  return negation;
}

}  // namespace attend::jinja
