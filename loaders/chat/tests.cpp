// What stands behind `is`.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "loaders/chat/filters.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/operations.h"
#include "loaders/chat/python_unicode.h"
#include "loaders/tokenizers/utf8.h"

namespace attend::jinja {
namespace {

using Type = Value::Type;

const Value& only_argument(std::string_view test, Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.keywords.empty()) {
    throw RuntimeFailure{fmt::format("the test {} takes 1 argument, {} given", test,
                                     arguments.positional.size() + arguments.keywords.size())};
  }
  return arguments.positional.front();
}

template <Comparison op>
bool compares(Interpreter& interpreter, const Value& input, Arguments& arguments) {
  return compare(op, input, only_argument("comparison", arguments), interpreter.budget());
}

bool remainder_is(Interpreter& interpreter, const Value& input, const Value& divisor,
                  std::int64_t remainder) {
  return equal(binary(BinaryOperator::modulo, input, divisor, interpreter.budget()), remainder);
}

// str.islower() and isupper(): at least one cased character, and none of the other case.
bool has_case(const Value& input, bool upper) {
  bool any = false;
  bool other = false;
  for_each_code_point(input.str(), [&](char32_t c, std::size_t) {
    any = any || (upper ? is_upper(c) : is_lower(c));
    other = other || (upper ? is_lower(c) : is_upper(c)) || is_title(c);
  });
  return any && !other;
}

bool is_sequence(const Value& value) {
  switch (value.type()) {
    case Type::string:
    case Type::list:
    case Type::tuple:
    case Type::dict:
    case Type::range: return true;
    case Type::undefined: return false;
    default: return false;
  }
}

constexpr std::array<TestFunction, 39> kTests{{
    {"odd",
     [](Interpreter& i, const Value& v, Arguments&) { return remainder_is(i, v, std::int64_t{2}, 1); }},
    {"even",
     [](Interpreter& i, const Value& v, Arguments&) { return remainder_is(i, v, std::int64_t{2}, 0); }},
    {"divisibleby", [](Interpreter& i, const Value& v,
                       Arguments& a) { return remainder_is(i, v, only_argument("divisibleby", a), 0); }},
    {"defined", [](Interpreter&, const Value& v, Arguments&) { return !v.is_undefined(); }},
    {"undefined", [](Interpreter&, const Value& v, Arguments&) { return v.is_undefined(); }},
    {"filter", [](Interpreter&, const Value& v,
                  Arguments&) { return v.is_string() && find_filter(v.string()) != nullptr; }},
    {"test", [](Interpreter&, const Value& v,
                Arguments&) { return v.is_string() && find_test(v.string()) != nullptr; }},
    {"none", [](Interpreter&, const Value& v, Arguments&) { return v.is_none(); }},
    {"boolean", [](Interpreter&, const Value& v, Arguments&) { return v.is_boolean(); }},
    {"false", [](Interpreter&, const Value& v, Arguments&) { return v.is_boolean() && !v.boolean(); }},
    {"true", [](Interpreter&, const Value& v, Arguments&) { return v.is_boolean() && v.boolean(); }},
    {"integer", [](Interpreter&, const Value& v,
                   Arguments&) { return v.type() == Type::integer || v.type_name() == "int"; }},
    {"float", [](Interpreter&, const Value& v, Arguments&) { return v.type() == Type::floating; }},
    {"lower", [](Interpreter&, const Value& v, Arguments&) { return has_case(v, false); }},
    {"upper", [](Interpreter&, const Value& v, Arguments&) { return has_case(v, true); }},
    {"string", [](Interpreter&, const Value& v, Arguments&) { return v.is_string(); }},
    {"mapping", [](Interpreter&, const Value& v, Arguments&) { return v.is_dict(); }},
    {"number",
     [](Interpreter&, const Value& v, Arguments&) { return v.is_number() || v.type_name() == "int"; }},
    {"sequence", [](Interpreter&, const Value& v, Arguments&) { return is_sequence(v); }},
    {"iterable", [](Interpreter&, const Value& v, Arguments&) { return is_iterable(v); }},
    {"callable",
     [](Interpreter&, const Value& v, Arguments&) {
       // An undefined value has __call__, which raises.
       return v.is_undefined() || (v.type() == Type::object && v.object().is_callable());
     }},
    {"sameas",
     [](Interpreter&, const Value& v, Arguments& a) { return v.same_as(only_argument("sameas", a)); }},
    {"escaped", [](Interpreter&, const Value& v, Arguments&) { return v.is_markup(); }},
    {"in", [](Interpreter& i, const Value& v,
              Arguments& a) { return contains(only_argument("in", a), v, i.budget()); }},
    {"==", compares<Comparison::equal>},
    {"eq", compares<Comparison::equal>},
    {"equalto", compares<Comparison::equal>},
    {"!=", compares<Comparison::not_equal>},
    {"ne", compares<Comparison::not_equal>},
    {">", compares<Comparison::greater>},
    {"gt", compares<Comparison::greater>},
    {"greaterthan", compares<Comparison::greater>},
    {">=", compares<Comparison::greater_equal>},
    {"ge", compares<Comparison::greater_equal>},
    {"<", compares<Comparison::less>},
    {"lt", compares<Comparison::less>},
    {"lessthan", compares<Comparison::less>},
    {"<=", compares<Comparison::less_equal>},
    {"le", compares<Comparison::less_equal>},
}};

}  // namespace

const TestFunction* find_test(std::string_view name) {
  const auto* found =
      std::find_if(kTests.begin(), kTests.end(), [&](const TestFunction& t) { return t.name == name; });
  return found == kTests.end() ? nullptr : found;
}

}  // namespace attend::jinja
