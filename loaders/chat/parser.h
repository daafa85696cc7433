// Tokens to a template: Jinja2's grammar, with the extensions that transformers turns on (loop controls,
// `generation` blocks).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loaders/chat/ast.h"

namespace attend::jinja {

class Parser {
 public:
  // Throws SyntaxFailure.
  static Template parse(std::string_view source);

 private:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // Statements (parser.cpp).
  Body parse_body(std::initializer_list<std::string_view> ends);
  // The body of a statement, from the end of its tag to the `ends` tag, whose name is consumed and returned.
  std::string parse_block(Body& body, std::initializer_list<std::string_view> ends);
  StatementPtr parse_statement();
  StatementPtr parse_set();
  StatementPtr parse_for();
  StatementPtr parse_if();
  StatementPtr parse_with();
  StatementPtr parse_macro();
  StatementPtr parse_call_block();
  StatementPtr parse_filter_block();
  StatementPtr parse_scoped(std::string_view end);
  StatementPtr parse_print();
  StatementPtr parse_unsupported();
  Signature parse_signature();
  Target parse_target(bool with_attributes);
  Target parse_target_part(bool with_attributes);
  void parse_macro_body(Macro& macro, std::string_view end);

  // Expressions (parser_expressions.cpp).
  ExpressionPtr parse_expression(bool with_conditional = true);
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filter = true);
  ExpressionPtr parse_primary();
  // Several expressions with commas between them are a tuple.
  ExpressionPtr parse_tuple(bool with_conditional = true, bool in_parentheses = false,
                            bool before_recursive = false);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_subscript_item(ExpressionPtr object);
  ExpressionPtr parse_call(ExpressionPtr callee);
  ExpressionPtr parse_filter(ExpressionPtr input, bool first_without_pipe = false);
  ExpressionPtr parse_one_filter(ExpressionPtr input);
  ExpressionPtr parse_test(ExpressionPtr input);
  CallArguments parse_arguments();
  std::string parse_dotted_name();

  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token next() { return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_[at_]; }
  bool skip_name(std::string_view name);
  bool skip_op(std::string_view op);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_any_name();
  void expect_type(TokenType type);
  [[noreturn]] void fail(const Position& position, const std::string& message) const;
  [[noreturn]] void fail_unexpected(std::string_view expected) const;
  NameId name_id(const std::string& name);
  // Records how deep the tree is below `parent`, and refuses what is too deep.
  void adopt(Expression& parent, const Expression* child) const;

  // Counts how deep the parser recurses.
  class Nesting {
   public:
    explicit Nesting(Parser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  // Inside a condition an unknown filter or test is an error only when it runs.
  bool inside_condition_ = false;
  // Special names that were read since the innermost macro began.
  bool reads_varargs_ = false, reads_kwargs_ = false, reads_caller_ = false;
  std::vector<std::string_view> open_ends_;
  Template template_;
  std::unordered_map<std::string, NameId> ids_;
};

}  // namespace attend::jinja
