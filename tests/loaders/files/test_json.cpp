#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "attend/error.h"
#include "loaders/files/json.h"
#include "loaders/files/json_field.h"

using namespace attend;
using namespace std::string_literals;

namespace {

JsonDocument parse(std::string_view text) {
  return parse_json(text, config_json_limits(), "config.json");
}

// Kind and message of the refusal of `text`; empty when it is accepted.
std::string verdict(std::string_view text) {
  try {
    parse(text);
  } catch (const Error& e) {
    CHECK(e.where() == "config.json");
    return e.kind() + " " + e.message();
  }
  return "";
}

bool refused(std::string_view text, std::string_view kind, std::string_view part = "") {
  const std::string v = verdict(text);
  INFO(v);
  CHECK(v.substr(0, v.find(' ')) == kind);
  CHECK(v.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("JSON values keep their exact numbers and order", "[json]") {
  const JsonDocument document = parse(
      R"({"b": [1, -2, 18446744073709551615, 9007199254740993, 0.1, 1e3, 2.0], "a": {"x": null, "y": true, "z": "é\n\ud83d\ude00"}})");
  const JsonValue& root = document.root();
  REQUIRE(root.is_object());
  CHECK(root.members()[0].key == "b");
  const auto numbers = root.find("b")->elements();
  REQUIRE(numbers.size() == 7);
  CHECK(numbers[0].to_int64() == 1);
  CHECK(numbers[1].to_int64() == -2);
  CHECK(!numbers[1].to_uint64());
  CHECK(!numbers[2].to_int64());
  CHECK(numbers[2].to_uint64() == UINT64_MAX);
  CHECK(numbers[3].to_int64() == 9007199254740993);
  CHECK(numbers[4].to_double() == 0.1);
  CHECK(!numbers[5].is_integer());
  CHECK(!numbers[6].to_int64());
  CHECK(numbers[6].to_double() == 2.0);
  CHECK(root.find("a")->find("x")->is_null());
  CHECK(root.find("a")->find("z")->to_string() == "é\n\xF0\x9F\x98\x80");
  CHECK(root.find("c") == nullptr);
  CHECK(parse("18446744073709551616")->is_integer());
  CHECK(!parse("18446744073709551616")->to_uint64());
}

TEST_CASE("Both ways of reading JSON give the same values", "[json]") {
  // An integer of 19 digits sends the whole text to the library's parser.
  const std::vector<std::string> texts = {"0",
                                          "-0",
                                          "-1",
                                          "123456789012345678",
                                          "-123456789012345678",
                                          "0.0",
                                          "-0.5",
                                          "1e5",
                                          "1E+05",
                                          "1.25e-07",
                                          "true",
                                          "false",
                                          "null",
                                          R"("")",
                                          R"("a")",
                                          R"("plain text of more than eight bytes")",
                                          R"("12345678\"9")",
                                          R"("\"\\\/\b\f\n\r\t")",
                                          R"("\u0000\u001f\u007F\u00e9\u20AC\ud83D\uDE00\uffff")",
                                          "\"\x7F\"",
                                          "\"é€😀 mixed with ASCII, é\"",
                                          "[]",
                                          "{}",
                                          "[ 1 , [ ] , { } ]",
                                          "{\"a\":1,\"é\":[2,3],\"\\u0062\":{\"\":\"\"}}",
                                          "[[[[1]]],\"x\"]"};
  const auto describe = [](const auto& self, const JsonValue& value) -> std::string {
    std::string text = value.describe();
    for (const JsonValue& element : value.elements()) text += "," + self(self, element);
    for (const JsonMember& member : value.members())
      text += "," + std::string(member.key) + "=" + self(self, member.value);
    if (const auto string = value.to_string()) text += *string;
    return text + std::to_string(static_cast<int>(value.type()));
  };
  for (const std::string& text : texts) {
    INFO(text);
    const JsonDocument fast = parse("[" + text + "]");
    const JsonDocument slow = parse("[" + text + ",1234567890123456789]");
    CHECK(describe(describe, fast->elements()[0]) == describe(describe, slow->elements()[0]));
  }
  for (const std::string bad : {"01",
                                "-",
                                "1.",
                                ".5",
                                "1e",
                                "+1",
                                "0x1",
                                "1e999",
                                "\"a",
                                "\"\\x\"",
                                "\"\\u12g4\"",
                                "\"\\ud800\"",
                                "\"\\udc00\\ud800\"",
                                "\"\x01\"",
                                "\"\xC0\x80\"",
                                "\"\xED\xA0\x80\"",
                                "\"\xE2\x82\"",
                                "tru",
                                "[1,]",
                                "[1 2]",
                                "{\"a\" 1}",
                                "{a:1}",
                                "{\"a\":1,}",
                                "[1}",
                                "nulll",
                                "'a'",
                                "/**/1",
                                "NaN"})
    CHECK(verdict("[" + bad + "]") != "");
}

TEST_CASE("Large objects are found by key", "[json]") {
  std::string text = "{";
  for (int i = 0; i < 5000; ++i)
    text += (i ? ",\"" : "\"") + std::to_string(i * 7919 % 5000) + "\":" + std::to_string(i);
  const JsonDocument document = parse(text + "}");
  REQUIRE(document->size() == 5000);
  for (int i = 0; i < 5000; ++i) REQUIRE(document->find(std::to_string(i * 7919 % 5000))->to_int64() == i);
  CHECK(document->find("5000") == nullptr);
  CHECK(document->find("") == nullptr);
}

TEST_CASE("Anything but strict JSON is refused by kind and position", "[json]") {
  refused("", "CFG_JSON_SYNTAX", "ends too early");
  refused(R"({"a":)", "CFG_JSON_SYNTAX", "offset 5");
  refused("{\"a\": NaN}", "CFG_JSON_SYNTAX", "line 1, column");
  refused("{\"a\": 1e999}", "CFG_JSON_SYNTAX");
  refused("{\"a\": 01}", "CFG_JSON_SYNTAX");
  refused("// no\n{}", "CFG_JSON_SYNTAX");
  refused("{\"a\": 1,\n}", "CFG_JSON_SYNTAX", "line 2, column 1");
  refused("[1 2]", "CFG_JSON_SYNTAX", "offset 3");
  refused("{} {}", "CFG_JSON_TRAILING", "offset 3");
  refused("{}\0"s, "CFG_JSON_TRAILING", "NUL");
  refused("{\"a\0\": 1}"s, "CFG_JSON_SYNTAX");
  refused("{\"a\": \"\x01\"}", "CFG_JSON_SYNTAX");
}

TEST_CASE("Encodings other than plain UTF-8 are named", "[json]") {
  refused("\xEF\xBB\xBF{}", "CFG_JSON_ENCODING", "UTF-8 byte order mark");
  refused("\xFF\xFE{\0}\0"s, "CFG_JSON_ENCODING", "UTF-16");
  refused("\0{\0}"s, "CFG_JSON_ENCODING", "UTF-16");
  refused("{\0\0\0}\0\0\0"s, "CFG_JSON_ENCODING", "UTF-32");
  refused("{\"a\xFF\": 1}", "CFG_JSON_UTF8", "offset 3");
  refused("{\"\xC0\x80\": 1}", "CFG_JSON_UTF8", "offset 2");
  refused("{\"\xED\xA0\x80\": 1}", "CFG_JSON_UTF8", "offset 2");
  refused("{\"\xE3\x81\": 1}", "CFG_JSON_UTF8", "offset 2");
  refused("{\"ab\\ud800\": 1}", "CFG_JSON_UTF8", "offset 4");
  refused("{\"ab\\udc00\": 1}", "CFG_JSON_UTF8", "offset 4");
  refused("{\"ab\\ud800\\u0041\": 1}", "CFG_JSON_UTF8", "offset 4");
  refused("{\"ab\\\\ud800\\q\": 1}", "CFG_JSON_SYNTAX");
  refused("{\"ab\\ud83d\\ude00\\q\": 1}", "CFG_JSON_SYNTAX");
  CHECK(verdict("{\"日本語\": \"\\ud83d\\ude00\"}").empty());
}

TEST_CASE("Duplicate keys are refused wherever they are", "[json]") {
  refused(R"({"a":1,"b":2,"a":1})", "CFG_JSON_DUPLICATE", "\"a\"");
  refused(R"({"a":1,"\u0061":1})", "CFG_JSON_DUPLICATE", "\"a\"");
  refused(R"({"x":[{},{"y":{"d":1,"d":2}}]})", "CFG_JSON_DUPLICATE", "in x[1].y");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"longer than eight " + std::to_string(i) + "\":0,";
  refused(many + "\"longer than eight 77\":0}", "CFG_JSON_DUPLICATE", "\"longer than eight 77\"");
}

TEST_CASE("Depth and size are limited without recursion", "[json]") {
  std::string deep(100000, '[');
  refused(deep, "CFG_JSON_DEPTH", "32");
  CHECK(verdict(std::string(32, '[') + std::string(32, ']')).empty());
  refused(std::string(33, '[') + std::string(33, ']'), "CFG_JSON_DEPTH");
  refused(std::string((4U << 20) + 1, ' '), "CFG_JSON_SIZE", "4194304");
}

TEST_CASE("Files that are no JSON at all are recognised", "[json]") {
  const auto path = std::filesystem::temp_directory_path() / "attend_test_json_file.json";
  const auto kind_of = [&](std::string_view content, std::string_view part) {
    std::ofstream(path, std::ios::binary) << content;
    try {
      read_json_file(path, config_json_limits());
    } catch (const Error& e) {
      INFO(e.message());
      CHECK(e.where() == path.string());
      CHECK(e.message().find(part) != std::string::npos);
      return e.kind();
    }
    return std::string();
  };
  CHECK(kind_of("", "empty") == "CFG_JSON_SYNTAX");
  CHECK(kind_of("version https://git-lfs.github.com/spec/v1\n", "git lfs pull") == "CFG_JSON_SYNTAX");
  CHECK(kind_of("<!DOCTYPE html><html>", "HTML") == "CFG_JSON_SYNTAX");
  std::filesystem::remove(path);
  CHECK_THROWS_AS(read_json_file(path, config_json_limits()), Error);
  try {
    read_json_file(std::filesystem::temp_directory_path(), config_json_limits());
    FAIL("a directory was read");
  } catch (const Error& e) {
    CHECK(e.kind() == "FILE_TYPE");
  }
}

TEST_CASE("Fields say where they stand", "[json]") {
  const JsonDocument document = parse(R"({"a": {"list": [1, "x"]}, "n": null})");
  const JsonField root(*document, "f.json", "TOK");
  CHECK(root["a"]["list"].at(0).integer(0, 10) == 1);
  CHECK(!root.get("n"));
  CHECK(root.integer_or("n", 7, 0, 10) == 7);
  const auto where_of = [](auto&& action) {
    try {
      action();
    } catch (const Error& e) {
      return e.kind() + " " + e.where();
    }
    return std::string();
  };
  CHECK(where_of([&] { root["a"]["list"].at(1).integer(0, 10); }) == "TOK_FIELD_TYPE f.json: a.list[1]");
  CHECK(where_of([&] { root["a"]["list"].at(0).integer(2, 10); }) == "TOK_FIELD_RANGE f.json: a.list[0]");
  CHECK(where_of([&] { root["a"]["b"]; }) == "TOK_FIELD_MISSING f.json: a.b");
  CHECK(where_of([&] { root["a"].string(); }) == "TOK_FIELD_TYPE f.json: a");
}
