#include "loaders/chat/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace attend::jinja {
namespace {

constexpr int kMaxNesting = 300;          // of statements and brackets, several per bracket
constexpr int kMaxExpressionDepth = 200;  // of an expression's tree

}  // namespace

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
  if (parser_.nesting_ == kMaxNesting) {
    parser_.fail(parser_.current().position,
                 fmt::format("the template is nested deeper than {}", kMaxNesting));
  }
  ++parser_.nesting_;
}

Template Parser::parse(std::string_view source) {
  Parser parser(tokenize(source));
  parser.template_.body = parser.parse_body({});
  return std::move(parser.template_);
}

void Parser::fail(const Position& position, const std::string& message) const {
  throw SyntaxFailure{position, message};
}

void Parser::fail_unexpected(std::string_view expected) const {
  const Token& token = current();
  if (token.type == TokenType::end) {
    fail(token.position, fmt::format("unexpected end of template, expected '{}'.", expected));
  }
  fail(token.position, fmt::format("expected token '{}', got '{}'", expected, describe(token)));
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  next();
  return true;
}

bool Parser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  next();
  return true;
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_unexpected(op);
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_unexpected(name);
}

std::string Parser::expect_any_name() {
  if (current().type != TokenType::name) fail_unexpected("name");
  return next().text;
}

void Parser::expect_type(TokenType type) {
  if (current().type != type) {
    Token wanted;
    wanted.type = type;
    fail_unexpected(describe(wanted));
  }
  next();
}

NameId Parser::name_id(const std::string& name) {
  const auto [found, added] = ids_.emplace(name, static_cast<NameId>(template_.names.size()));
  if (added) template_.names.push_back(name);
  return found->second;
}

void Parser::adopt(Expression& parent, const Expression* child) const {
  if (child == nullptr) return;
  if (child->depth >= kMaxExpressionDepth) {
    fail(parent.position, fmt::format("the expression is nested deeper than {}", kMaxExpressionDepth));
  }
  parent.depth = std::max(parent.depth, static_cast<std::uint16_t>(child->depth + 1));
}

Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  Body body;
  while (current().type != TokenType::end) {
    const Position position = current().position;
    if (current().type == TokenType::data) {
      body.push_back(std::make_unique<Text>(next().text, position));
    } else if (current().type == TokenType::variable_begin) {
      next();
      body.push_back(std::make_unique<Output>(parse_tuple(), position));
      expect_type(TokenType::variable_end);
    } else {
      next();
      const auto ends_here = [&](std::string_view end) { return current().is_name(end); };
      if (std::any_of(ends.begin(), ends.end(), ends_here)) return body;
      open_ends_.assign(ends.begin(), ends.end());
      if (StatementPtr statement = parse_statement()) body.push_back(std::move(statement));
      expect_type(TokenType::block_end);
    }
  }
  if (ends.size() > 0) {
    std::string wanted;
    for (const std::string_view end : ends)
      wanted += (wanted.empty() ? "'" : " or '") + std::string(end) + "'";
    fail(current().position,
         "Unexpected end of template. Jinja was looking for the following tags: " + wanted + ".");
  }
  return body;
}

std::string Parser::parse_block(Body& body, std::initializer_list<std::string_view> ends) {
  skip_op(":");
  expect_type(TokenType::block_end);
  body = parse_body(ends);
  return next().text;
}

StatementPtr Parser::parse_statement() {
  const Token& token = current();
  if (token.type != TokenType::name) fail(token.position, "tag name expected");
  const std::string& tag = token.text;
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "print") return parse_print();
  if (tag == "generation") return parse_scoped("endgeneration");
  if (tag == "block") return parse_scoped("endblock");
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return parse_unsupported();
  const Position position = token.position;
  if (skip_name("break")) return std::make_unique<Statement>(StatementKind::loop_break, position);
  if (skip_name("continue")) return std::make_unique<Statement>(StatementKind::loop_continue, position);
  std::string message = fmt::format("Encountered unknown tag '{}'.", tag);
  if (!open_ends_.empty()) {
    message += " Jinja was looking for the following tags: ";
    for (std::size_t i = 0; i < open_ends_.size(); ++i)
      message += fmt::format("{}'{}'", i == 0 ? "" : " or ", open_ends_[i]);
    message += ".";
  }
  fail(position, message);
}

StatementPtr Parser::parse_set() {
  auto node = std::make_unique<Set>(current().position);
  next();
  node->target = parse_target(true);
  if (skip_op("=")) {
    node->value = parse_tuple();
    return node;
  }
  auto block = std::make_unique<SetBlock>(node->position);
  block->target = std::move(node->target);
  if (current().is_op("|")) block->filter = parse_filter(nullptr);
  parse_block(block->body, {"endset"});
  return block;
}

StatementPtr Parser::parse_for() {
  auto node = std::make_unique<For>(current().position);
  next();
  node->target = parse_target(false);
  expect_name("in");
  const bool outer_condition = std::exchange(inside_condition_, false);
  node->iterable = parse_tuple(false, false, true);
  if (skip_name("if")) node->test = parse_expression();
  node->recursive = skip_name("recursive");
  if (parse_block(node->body, {"endfor", "else"}) == "else") parse_block(node->otherwise, {"endfor"});
  inside_condition_ = outer_condition;
  return node;
}

StatementPtr Parser::parse_if() {
  auto node = std::make_unique<If>(current().position);
  const bool outer_condition = std::exchange(inside_condition_, true);
  std::string tag;
  do {
    next();
    ExpressionPtr test = parse_tuple(false);
    Body body;
    skip_op(":");
    expect_type(TokenType::block_end);
    body = parse_body({"elif", "else", "endif"});
    node->branches.emplace_back(std::move(test), std::move(body));
    tag = current().text;
  } while (tag == "elif");
  next();
  if (tag == "else") parse_block(node->otherwise, {"endif"});
  inside_condition_ = outer_condition;
  return node;
}

StatementPtr Parser::parse_with() {
  auto node = std::make_unique<With>(current().position);
  next();
  while (current().type != TokenType::block_end) {
    if (!node->assignments.empty()) expect_op(",");
    Target target = parse_target(false);
    expect_op("=");
    node->assignments.emplace_back(std::move(target), parse_expression());
  }
  parse_block(node->body, {"endwith"});
  return node;
}

Signature Parser::parse_signature() {
  Signature signature;
  expect_op("(");
  while (!current().is_op(")")) {
    if (!signature.parameters.empty()) expect_op(",");
    const Position position = current().position;
    const NameId name = name_id(expect_any_name());
    if (skip_op("=")) {
      signature.defaults.push_back(parse_expression());
    } else if (!signature.defaults.empty()) {
      fail(position, "non-default argument follows default argument");
    }
    signature.parameters.push_back(name);
  }
  expect_op(")");
  return signature;
}

void Parser::parse_macro_body(Macro& macro, std::string_view end) {
  const bool outer_condition = std::exchange(inside_condition_, false);
  const bool varargs = std::exchange(reads_varargs_, false);
  const bool kwargs = std::exchange(reads_kwargs_, false);
  const bool caller = std::exchange(reads_caller_, false);
  parse_block(macro.body, {end});
  macro.uses_varargs = reads_varargs_;
  macro.uses_kwargs = reads_kwargs_;
  macro.uses_caller = reads_caller_;
  inside_condition_ = outer_condition;
  // What the body reads counts for the macro around it as well.
  reads_varargs_ = reads_varargs_ || varargs;
  reads_kwargs_ = reads_kwargs_ || kwargs;
  reads_caller_ = reads_caller_ || caller;
}

StatementPtr Parser::parse_macro() {
  auto node = std::make_unique<Macro>(current().position);
  next();
  node->name = name_id(expect_any_name());
  node->signature = parse_signature();
  parse_macro_body(*node, "endmacro");
  return node;
}

StatementPtr Parser::parse_call_block() {
  auto node = std::make_unique<CallBlock>(current().position);
  next();
  node->caller = std::make_unique<Macro>(node->position);
  node->caller->anonymous = true;
  node->caller->name = name_id("caller");
  if (current().is_op("(")) node->caller->signature = parse_signature();
  ExpressionPtr call = parse_expression();
  if (call->kind != ExpressionKind::call) fail(node->position, "expected call");
  node->call.reset(static_cast<Call*>(call.release()));
  parse_macro_body(*node->caller, "endcall");
  return node;
}

StatementPtr Parser::parse_filter_block() {
  auto node = std::make_unique<FilterBlock>(current().position);
  next();
  node->filter = parse_filter(nullptr, true);
  parse_block(node->body, {"endfilter"});
  return node;
}

StatementPtr Parser::parse_scoped(std::string_view end) {
  auto node = std::make_unique<Scoped>(current().position);
  const bool named = next().text == "block";
  if (named) {
    expect_any_name();
    skip_name("scoped");
    skip_name("required");
  }
  parse_block(node->body, {end});
  if (named && current().type == TokenType::name) next();
  return node;
}

StatementPtr Parser::parse_print() {
  const Position position = current().position;
  next();
  auto all = std::make_unique<Sequence>(ExpressionKind::concatenation, position);
  while (current().type != TokenType::block_end) {
    if (!all->items.empty()) expect_op(",");
    all->items.push_back(parse_expression());
    adopt(*all, all->items.back().get());
  }
  return std::make_unique<Output>(std::move(all), position);
}

StatementPtr Parser::parse_unsupported() {
  const Position position = current().position;
  next();
  while (current().type != TokenType::block_end && current().type != TokenType::end) next();
  // What Jinja2 says where there are no other templates.
  return std::make_unique<Unsupported>("no loader for this environment specified", position);
}

Target Parser::parse_target_part(bool with_attributes) {
  const Nesting nesting(*this);
  Target target;
  target.position = current().position;
  if (skip_op("(")) {
    target = parse_target(with_attributes);
    expect_op(")");
    return target;
  }
  if (current().type != TokenType::name) {
    fail(current().position, fmt::format("can't assign to '{}'", describe(current())));
  }
  const std::string name = next().text;
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) fail(target.position, "can't assign to 'const'");
  }
  target.name = name_id(name);
  if (with_attributes && skip_op(".")) target.attribute = expect_any_name();
  return target;
}

Target Parser::parse_target(bool with_attributes) {
  Target first = parse_target_part(with_attributes);
  if (!current().is_op(",")) return first;
  Target tuple;
  tuple.position = first.position;
  tuple.is_tuple = true;
  tuple.parts.push_back(std::move(first));
  while (skip_op(",")) {
    if (current().is_name("in") || current().is_op("=") || current().is_op(")")) break;
    tuple.parts.push_back(parse_target_part(with_attributes));
  }
  return tuple;
}

}  // namespace attend::jinja
