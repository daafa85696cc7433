// What follows a value: attributes, items, calls, filters, tests.
#include <fmt/format.h>

#include "loaders/chat/filters.h"
#include "loaders/chat/parser.h"

namespace attend::jinja {

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
