#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "attend/error.h"
#include "loaders/chat/chat_template.h"
#include "loaders/files/json.h"
#include "tests/support/shared_folder.h"
#include "tests/support/temporary_directory.h"

using attend::ChatInput;
using attend::ChatMessage;
using attend::ChatTemplate;
using attend::Error;
using attend::LocalTime;
using attend::jinja::Value;

namespace {

template <typename Json>
Value from_json(const Json& json) {
  const auto document = attend::parse_json(json.dump(), attend::request_json_limits(), "test");
  return Value::from_json(*document);
}

// The template's output for the variables given as JSON.
std::string render(const std::string& source, const char* variables = "{}") {
  ChatInput input;
  input.messages = attend::messages_value(
      std::vector<ChatMessage>{{"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello"}});
  input.now = LocalTime::parse("2024-07-26T12:34:56");
  const nlohmann::json parsed = nlohmann::json::parse(variables);
  for (const auto& [name, value] : parsed.items()) {
    input.variables.emplace_back(name, from_json(value));
  }
  return ChatTemplate::parse(source, "test").render(input);
}

// Kind and text of the error that a template ends in.
std::string failure(const std::string& source) {
  try {
    return "output: " + render(source);
  } catch (const Error& error) {
    return error.kind() + ": " + error.message();
  }
}

}  // namespace

TEST_CASE("Recorded chat templates render exactly, and fail with the reference's text") {
  const auto folder = attend::test::shared_folder() / "chat_templates";
  ATTEND_SKIP_WITHOUT(folder);
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    std::ifstream source_file(entry.path() / "template.jinja");
    const std::string source(std::istreambuf_iterator<char>(source_file), {});
    const auto parsed = ChatTemplate::parse(source, entry.path().filename().string());
    std::ifstream file(entry.path() / "cases.jsonl");
    for (std::string line; std::getline(file, line); ++cases) {
      const auto row = nlohmann::ordered_json::parse(line);
      INFO(entry.path().filename().string() << ": " << row["name"]);
      ChatInput input;
      input.messages = from_json(row["messages"]);
      input.tools = from_json(row["tools"]);
      input.add_generation_prompt = row["add_generation_prompt"];
      input.now = LocalTime::parse(row["now"].get<std::string>());
      for (const auto& [name, value] : row["variables"].items())
        input.variables.emplace_back(name, from_json(value));
      if (row["error"].is_null()) {
        CHECK(parsed.render(input) == row["expected"].get<std::string>());
        continue;
      }
      try {
        parsed.render(input);
        FAIL("no error");
      } catch (const Error& error) {
        CHECK(error.kind() == "TPL_RUNTIME");
        CHECK("TemplateError: " + error.message() == row["error"].get<std::string>());
      }
    }
  }
  CHECK(cases >= 40);
}

// Expected texts were printed by Jinja2 3.1.6 with transformers' settings.
TEST_CASE("Template expressions follow Python and Jinja2") {
  CHECK(render("{{ 1+2*3-4/2 }}|{{ -7//2 }}|{{ -7%3 }}|{{ 2**3**2 }}|{{ 2**-1 }}|{{ 7.5//2 }}") ==
        "5.0|-4|2|64|0.5|3.0");
  CHECK(render("{{ [0.1, 1e16, 1e-5, 100.0, 1e22] }}") == "[0.1, 1e+16, 1e-05, 100.0, 1e+22]");
  CHECK(render("{{ [none, true, 'a\\'b', (1,), {'k': [2.0]}] }}") ==
        "[None, True, \"a'b\", (1,), {'k': [2.0]}]");
  CHECK(render("{{ 'H\u00e9llo'[::-1] }}{{ 'H\u00e9llo'[1:3] }}{{ 'H\u00e9llo'|length }}") ==
        "oll\u00e9H\u00e9l5");
  CHECK(render("{{ 1 < 2 < 3 }}{{ 1 < 2 > 5 }}{{ 'a' not in 'xyz' }}{{ 1 == 1.0 }}{{ 0 or 'x' }}") ==
        "TrueFalseTrueTruex");
  CHECK(render("{{ 'y' if missing else 'n' }}{{ missing }}{{ missing is defined }}") == "nFalse");
  CHECK(render("{{ '%s is %5.2f|%-4s|%03d' % ('a', 3.14159, 'b', 7) }}") == "a is  3.14|b   |007");
  CHECK(render("{{ '{} {a[0]} {:>5}|{:,}'.format(1, 'x', 12345, a=[2]) }}") == "1 2     x|12,345");
  CHECK(render("{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ ' a  b '.rsplit(none, 1) }}") ==
        "['a', 'b', '', 'c']['a', 'b'][' a', 'b']");
  CHECK(render("{{ '\u01c5 \u00df \u0149 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u0391\u03a3'|upper "
               "}}|{{ '\u0391\u03a3'|lower }}") ==
        "\u01c4 SS \u02bcN \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3 \u0391\u03a3|\u03b1\u03c2");
}

TEST_CASE("Template statements: scopes, loops, macros, white space") {
  CHECK(render("{% set x = 1 %}{% for i in [5, 6] %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}") ==
        "6,7,1");
  CHECK(render("{% set ns = namespace(n=0) %}{% for i in [5, 6] %}{% set ns.n = ns.n + i %}{% endfor %}{{ "
               "ns.n }}") == "11");
  CHECK(render("{% for i in [3, 1, 2] if i > 1 %}{{ loop.index }}/{{ loop.length }}{{ loop.previtem }}{{ "
               "loop.nextitem }};"
               "{% else %}none{% endfor %}") == "1/22;2/23;");
  CHECK(render("{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% "
               "endif %}{{ i }}"
               "{% endfor %}") == "0134");
  CHECK(render("{% for u in [{'n': 1, 'c': [{'n': 2}]}] recursive %}{{ u.n }}{% if u.c %}({{ loop(u.c) }}){% "
               "endif %}"
               "{% endfor %}") == "1(2)");
  CHECK(render("{% macro m(a, b='x') %}{{ a }}-{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ "
               "m(1, 2, 3, k=4) }}") == "1-x(){}1-2(3,){'k': 4}");
  CHECK(render("{% macro box(t) %}<{{ t }}>{{ caller(2) }}{% endmacro %}{% call(n) box('T') %}body{{ n }}{% "
               "endcall %}") == "<T>body2");
  CHECK(
      render("{% filter upper %}ab{% endfilter %}{% set y | replace('a', 'b') %}banana{% endset %}{{ y }}") ==
      "ABbbnbnb");
  CHECK(render("a\n  {% if true %}\n  b\n  {%- endif %}\n  c\n\n") == "a\n  b  c\n");
  CHECK(render("{% raw %}{{ x }}{% endraw %}{# note #}{% generation %}g{% endgeneration %}") == "{{ x }}g");
  CHECK(render("{{ strftime_now('%d %b %Y %-H') }}") == "26 Jul 2024 12");
}

TEST_CASE("Template filters") {
  CHECK(render("{{ messages|map(attribute='role')|join(',') }}{{ messages|selectattr('role', 'eq', "
               "'user')|list|length }}") == "system,user,assistant1");
  CHECK(render("{{ {'b': '<\u00e9>', 'a': [1, 2.5, none, true]}|tojson }}{{ [1]|tojson(indent=2) }}") ==
        "{\"b\": \"<\u00e9>\", \"a\": [1, 2.5, null, true]}[\n  1\n]");
  CHECK(render("{{ ['b', 'A', 'c']|sort }}{{ {'b': 1, 'A': 2}|dictsort }}{{ [3, 1, 3]|unique|list }}") ==
        "['A', 'b', 'c'][('A', 2), ('b', 1)][3, 1]");
  CHECK(render("{{ 'a\nb\n\nc'|indent(2) }}{{ ' x '|trim }}{{ '42.7'|int }}{{ 2.5|round }}{{ "
               "none|default('d', true) }}") == "a\n  b\n\n  cx422.0d");
  CHECK(
      render(
          "{% for c, g in [{'c': 'x', 'n': 1}, {'c': 'y', 'n': 2}, {'c': 'X', 'n': 3}]|groupby('c') %}{{ c }}"
          "{{ g|map(attribute='n')|list }}{% endfor %}") == "x[1, 3]y[2]");
  CHECK(render("{% set g = [1, 2]|select %}{{ g|list }}{{ g|list }}") == "[1, 2][]");
}

TEST_CASE("Failing templates give Jinja2's messages") {
  CHECK(failure("{{ raise_exception('boom') }}") == "TPL_RUNTIME: boom");
  CHECK(failure("{{ missing.x }}") == "TPL_RUNTIME: 'missing' is undefined");
  CHECK(failure("{{ messages[0].zz.y }}") == "TPL_RUNTIME: 'dict object' has no attribute 'zz'");
  CHECK(failure("{{ messages[9].role }}") == "TPL_RUNTIME: list object has no element 9");
  CHECK(failure("{{ 'a' + 1 }}") == "TPL_RUNTIME: can only concatenate str (not \"int\") to str");
  CHECK(failure("{{ messages.append(1) }}") ==
        "TPL_RUNTIME: access to attribute 'append' of 'list' object is unsafe.");
  CHECK(failure("{{ ''.__class__.mro() }}") ==
        "TPL_RUNTIME: access to attribute '__class__' of 'str' object is unsafe.");
  CHECK(failure("{{ [missing]|tojson }}") ==
        "TPL_RUNTIME: Object of type Undefined is not JSON serializable");
  CHECK(failure("{% for a, b in [[1]] %}{% endfor %}") ==
        "TPL_RUNTIME: not enough values to unpack (expected 2, got 1)");
  CHECK(failure("{% include 'x' %}") == "TPL_RUNTIME: no loader for this environment specified");
}

TEST_CASE("Malformed templates are refused with line and column") {
  const auto place = [](const std::string& source) {
    try {
      ChatTemplate::parse(source, "t");
    } catch (const Error& error) {
      return error.kind() + " " + error.where();
    }
    return std::string("none");
  };
  CHECK(place("a\n{{ 1 + }}") == "TPL_SYNTAX t:2:8");
  CHECK(place("{% if x %}a") == "TPL_SYNTAX t:1:12");
  CHECK(place("{% unknown %}") == "TPL_SYNTAX t:1:4");
  CHECK(place("{{ 'a'|nofilter }}") == "TPL_SYNTAX t:1:8");
  CHECK(place("{{ (1 }}") == "TPL_SYNTAX t:1:7");
  CHECK(place("\xFF") == "TPL_SYNTAX t");
  CHECK(
      place("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}").starts_with("TPL_SYNTAX"));
  CHECK(place("{{ x" + std::string(100000, '.') + " }}").starts_with("TPL_SYNTAX"));
  CHECK(place(std::string(10U << 20U, 'x')) == "TPL_BUDGET t");
}

TEST_CASE("Templates that ask for too much are stopped") {
  const auto kind = [](const std::string& source) { return failure(source).substr(0, 10); };
  CHECK(kind("{{ range(10**9) }}") == "TPL_BUDGET");
  CHECK(kind("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") == "TPL_BUDGET");
  CHECK(kind("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}") ==
        "TPL_BUDGET");
  CHECK(kind("{% for a in range(99999) %}{{ '" + std::string(105, 'x') + "' }}{% endfor %}") == "TPL_BUDGET");
  CHECK(kind("{{ 'x' * 10**12 }}") == "TPL_BUDGET");
  CHECK(kind("{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% "
             "endfor %}") == "TPL_BUDGET");
  CHECK(kind("{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor %}") ==
        "TPL_BUDGET");
  CHECK(kind("{% set ns = namespace(l=[0]) %}{% for i in range(50) %}{% set ns.l = [ns.l] * 100 %}{% endfor "
             "%}{{ ns.l == ns.l }}") == "TPL_BUDGET");
  CHECK(kind("{{ '%0999999999d' % 1 }}") == "TPL_BUDGET");
  CHECK(kind("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}") == "TPL_BUDGET");
}

TEST_CASE("One template renders the same in several threads") {
  const auto parsed = ChatTemplate::parse(
      "{% set ns = namespace(n=0) %}{% for i in range(200) %}{% set ns.n = ns.n + i %}{{ ns.n }} {% endfor "
      "%}",
      "t");
  ChatInput input;
  input.messages = attend::messages_value({});
  const std::string expected = parsed.render(input);
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (std::string& result : results) threads.emplace_back([&] { result = parsed.render(input); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) CHECK(result == expected);
}

TEST_CASE("A directory's templates: the file, the named ones, the special tokens") {
  const attend::test::TemporaryDirectory directory;
  CHECK_FALSE(attend::load_chat_templates(directory.path()).has_value());
  directory.write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": [
      {"name": "default", "template": "{{ bos_token }}plain"}, {"name": "tool_use", "template": "tools {{ tools|length }}"}]})");
  auto templates = attend::load_chat_templates(directory.path());
  REQUIRE(templates.has_value());
  ChatInput input;
  input.messages = attend::messages_value({});
  CHECK(templates->render(input) == "<s>plain");
  input.tools = from_json(nlohmann::json::parse(R"([{"type": "function"}])"));
  CHECK(templates->render(input) == "tools 1");
  CHECK(templates->render(input, "default") == "<s>plain");
  CHECK_THROWS_AS(templates->render(input, "rag"), Error);
  // The file wins over the configuration.
  directory.write("chat_template.jinja", "file {{ bos_token }}");
  CHECK(attend::load_chat_templates(directory.path())->render(input) == "file <s>");
}

TEST_CASE("Reasoning is passed under the names that templates read") {
  ChatInput input;
  input.messages =
      from_json(nlohmann::json::parse(R"([{"role": "assistant", "content": "a", "reasoning": "r"}])"));
  const auto parsed =
      ChatTemplate::parse("{{ messages[0].reasoning_content }}{{ messages[0].thinking }}", "t");
  CHECK(parsed.render(input) == "rr");
}
