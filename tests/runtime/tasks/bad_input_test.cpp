// Inputs, options and checkpoints that a task cannot use: a typed error or a defined result.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/task.h"
#include "tests/runtime/tasks/word_tokenizer.h"

namespace attend::test {
namespace {

using Catch::Matchers::ContainsSubstring;

const WordTokenizer kTokenizer;

TaskConfig config_for(std::vector<std::string> labels = {}, std::int32_t max_input_tokens = 0) {
  TaskConfig config;
  for (const std::string_view name : task_names()) config.tasks.emplace_back(name);
  config.labels = std::move(labels);
  config.max_input_tokens = max_input_tokens;
  return config;
}

std::unique_ptr<Task> task_of(std::string_view name, TaskConfig config = config_for(),
                              TaskOptions options = {}, const Tokenizer* tokenizer = &kTokenizer) {
  return make_task(name, std::make_shared<TaskConfig>(std::move(config)), std::move(options), tokenizer);
}

// The kind of the error that `work` throws; "none" when it throws nothing.
std::string kind_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  return "none";
}

std::string plan_error(const Task& task, const TaskInput& input) {
  return kind_of([&] { task.plan(input); });
}

TaskOptions with(const std::function<void(TaskOptions&)>& change) {
  TaskOptions options;
  change(options);
  return options;
}

Tensor row(std::vector<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return Tensor::from(values, Shape{size});
}

// A model whose token outputs say where they are: row t, column c is 10 t + c.
Tensor ramp(std::size_t rows, std::size_t columns) {
  std::vector<float> values;
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t c = 0; c < columns; ++c) values.push_back(static_cast<float>(10 * t + c));
  }
  return Tensor::from(values, Shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)});
}

TEST_CASE("a checkpoint without the head says what it can do", "[tasks]") {
  TaskConfig config = config_for();
  config.tasks = {"fill-mask", "translation"};
  try {
    task_of("ner", config);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.kind() == "TASK_UNSUPPORTED");
    CHECK(error.category() == ErrorCategory::data);
    CHECK_THAT(error.message(), ContainsSubstring("token-classification"));
    CHECK_THAT(error.message(), ContainsSubstring("fill-mask, translation"));
  }
  CHECK(kind_of([] { task_of("sentiment"); }) == "TASK_UNKNOWN");
  CHECK(task_of("ner")->name() == "token-classification");
  CHECK(task_of("sentiment-analysis")->name() == "text-classification");
}

TEST_CASE("one bad input among many has its error, the others their answers", "[tasks]") {
  const auto task = task_of("text-classification", config_for({"no", "yes"}, 4));
  const std::vector<TaskInput> inputs = {{.text = "a b"}, {.text = "far too many words"}, {.text = ""}};
  std::vector<std::size_t> lengths;
  const auto results = run_task(*task, inputs, [&](std::span<const ModelInput> sequences) {
    std::vector<ModelOutputs> outputs;
    for (const ModelInput& sequence : sequences) {
      lengths.push_back(sequence.ids.size());
      outputs.push_back({row({0.0F, static_cast<float>(sequence.ids.size()) - 3.0F})});
    }
    return outputs;
  });
  CHECK(lengths == std::vector<std::size_t>{4, 2});
  REQUIRE(results.size() == 3);
  CHECK(results[0].value.at("label").as_string() == "yes");
  REQUIRE(results[1].error.has_value());
  CHECK(results[1].error->kind() == "INPUT_TOO_LONG");
  CHECK_THAT(results[1].error->message(), ContainsSubstring("6 tokens") && ContainsSubstring("takes 4"));
  CHECK(results[1].value.is_null());
  CHECK(results[2].value.at("label").as_string() == "no");

  bool called = false;
  const std::vector<TaskInput> bad = {{.text = "far too many words"}};
  const auto none = run_task(*task, bad, [&](std::span<const ModelInput>) {
    called = true;
    return std::vector<ModelOutputs>();
  });
  CHECK(none[0].error.has_value());
  CHECK_FALSE(called);
}

TEST_CASE("a pair where a single text is expected, and the other way round", "[tasks]") {
  const TaskInput pair{.text = "a", .pair = "b"};
  const TaskOptions labels = with([](TaskOptions& o) { o.candidate_labels = {"x"}; });
  for (const char* name : {"token-classification", "fill-mask", "feature-extraction", "sentence-embedding"}) {
    INFO(name);
    CHECK(plan_error(*task_of(name), pair) == "PAIR_UNEXPECTED");
  }
  CHECK(plan_error(*task_of("zero-shot-classification", config_for({"entailment"}), labels), pair) ==
        "PAIR_UNEXPECTED");
  for (const char* name : {"question-answering", "sentence-similarity", "text-ranking"}) {
    INFO(name);
    CHECK(plan_error(*task_of(name), {.text = "a"}) == "PAIR_MISSING");
  }
  const TaskInput both{.text = "a", .pair = "b", .candidates = {"c"}};
  CHECK(plan_error(*task_of("text-ranking"), both) == "PAIR_MISSING");
  CHECK(plan_error(*task_of("text-classification"), both) == "CANDIDATES_UNEXPECTED");
  CHECK(task_of("text-classification")->plan(pair).inputs.front().ids.size() == 5);
}

TEST_CASE("labels that the config does not name", "[tasks]") {
  const TaskInput input{.text = "a"};
  const auto best = [&](std::vector<std::string> labels) {
    const auto task = task_of("text-classification", config_for(std::move(labels)));
    const std::vector<ModelOutputs> outputs = {{row({0, 1, 3, 2})}};
    return task->finish(task->plan(input), outputs).at("label").as_string();
  };
  CHECK(best({}) == "LABEL_2");
  CHECK(best({"a", "b", "", "d"}) == "LABEL_2");
  CHECK(best({"a", "b", "c", "d"}) == "c");
  CHECK(kind_of([&] { best({"a", "b"}); }) == "LABEL_COUNT");
}

TEST_CASE("ids need no tokenizer, and text fields are left out", "[tasks]") {
  const TaskInput ids{.ids = std::vector<std::int32_t>{7, 8, 9}};
  const auto answer = [&](const char* name, ModelOutputs outputs, TaskOptions options = {}) {
    const auto task = task_of(name, config_for(), std::move(options), nullptr);
    const TaskPlan plan = task->plan(ids);
    CHECK(plan.inputs.front().ids == *ids.ids);
    CHECK(plan.inputs.front().type_ids == std::vector<std::int32_t>{0, 0, 0});
    const std::vector<ModelOutputs> all = {std::move(outputs)};
    return task->finish(plan, all).json();
  };
  CHECK(answer("text-classification", {row({3, 3})}) == R"({"label": "LABEL_0", "score": 0.5})");
  CHECK(answer("text-ranking", {row({0})}) == R"({"score": 0.5})");
  CHECK(answer("fill-mask", {ramp(3, 2)}) == "[]");
  CHECK(answer("feature-extraction", {ramp(3, 2)}) == "[[[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]]]");
  CHECK(answer("sentence-embedding", {ramp(3, 2)}) == R"({"embedding": [10.0, 11.0]})");
  CHECK(
      answer("token-classification", {ramp(3, 1)}) ==
      R"([{"entity": "LABEL_0", "score": 1.0, "index": 0}, {"entity": "LABEL_0", "score": 1.0, "index": 1}, )"
      R"({"entity": "LABEL_0", "score": 1.0, "index": 2}])");
  const auto simple = with([](TaskOptions& o) { o.aggregation_strategy = AggregationStrategy::simple; });
  CHECK(answer("token-classification", {ramp(3, 1)}, simple) ==
        R"([{"entity_group": "LABEL_0", "score": 1.0}])");
  const std::string span = answer("question-answering", {row({0, 50, 0}), row({0, 0, 50})});
  CHECK_THAT(span, ContainsSubstring(R"("start": 1, "end": 3})"));

  CHECK(plan_error(*task_of("sentence-similarity", config_for(), {}, nullptr), ids) == "INPUT_IDS");
  const auto text_task = task_of("text-classification", config_for(), {}, nullptr);
  CHECK(plan_error(*text_task, {.text = "a"}) == "TOKENIZER_MISSING");
  CHECK(plan_error(*text_task, {.ids = std::vector<std::int32_t>{}}) == "EMPTY_INPUT");
  CHECK(plan_error(*text_task, {.ids = std::vector<std::int32_t>{1, 2}, .type_ids = {0}}) == "INPUT_IDS");
  const auto narrow = task_of("text-classification", config_for({}, 2), {}, nullptr);
  CHECK(plan_error(*narrow, ids) == "INPUT_TOO_LONG");
}

TEST_CASE("ids with a second type are answered from that part of them", "[tasks]") {
  const auto task = task_of("question-answering");
  // [CLS] question [SEP] context context [SEP]: the best logits are in the question and on the last token.
  const TaskInput input{.ids = std::vector<std::int32_t>{1, 9, 2, 9, 9, 2}, .type_ids = {0, 0, 0, 1, 1, 1}};
  const std::vector<ModelOutputs> outputs = {{row({0, 9, 0, 5, 1, 8}), row({0, 9, 0, 1, 5, 8})}};
  const TaskValue answer = task->finish(task->plan(input), outputs);
  CHECK(answer.at("start").as_int() == 3);
  CHECK(answer.at("end").as_int() == 5);
}

TEST_CASE("long inputs are cut only where that is asked for", "[tasks]") {
  const TaskInput input{.text = "one two three four five six"};
  const auto tokens = [&](const char* name, TaskOptions options = {}) {
    return task_of(name, config_for({}, 5), std::move(options))->plan(input).inputs.front().ids.size();
  };
  CHECK(kind_of([&] { tokens("text-classification"); }) == "INPUT_TOO_LONG");
  CHECK(kind_of([&] { tokens("feature-extraction"); }) == "INPUT_TOO_LONG");
  CHECK(tokens("token-classification") == 5);
  CHECK(tokens("sentence-embedding") == 5);
  const auto cut = with([](TaskOptions& o) { o.truncation = TruncationOption::longest_first; });
  CHECK(tokens("text-classification", cut) == 5);
  const auto shorter = with([](TaskOptions& o) {
    o.truncation = TruncationOption::only_first;
    o.max_length = 4;
  });
  CHECK(tokens("text-classification", shorter) == 4);
  const auto refused = with([](TaskOptions& o) { o.truncation = TruncationOption::do_not_truncate; });
  CHECK(kind_of([&] { tokens("sentence-embedding", refused); }) == "INPUT_TOO_LONG");
  const auto second = with([](TaskOptions& o) { o.truncation = TruncationOption::only_second; });
  CHECK(kind_of([&] { tokens("text-classification", second); }) == "OPTION_VALUE");
  for (const std::int32_t length : {0, -1, 6}) {
    CHECK(kind_of([&] {
            tokens("text-classification", with([&](TaskOptions& o) { o.max_length = length; }));
          }) == "OPTION_VALUE");
  }
}

TEST_CASE("a question that leaves no room for the context", "[tasks]") {
  const std::string context = "one two three four five six seven eight nine ten";
  const auto plan = [&](std::string question, std::optional<std::int32_t> max_question_len,
                        std::int32_t doc_stride) {
    const auto options = with([&](TaskOptions& o) {
      o.max_seq_len = 10;
      o.doc_stride = doc_stride;
      o.max_question_len = max_question_len;
    });
    return task_of("question-answering", config_for(), options)
        ->plan({.text = std::move(question), .pair = context});
  };
  const auto windows = plan("who is it", {}, 2);
  REQUIRE(windows.inputs.size() == 4);
  for (const ModelInput& window : windows.inputs) CHECK(window.ids.size() <= 10);
  CHECK(kind_of([&] { plan("who is it", {}, 4); }) == "QUESTION_TOO_LONG");
  const std::string longest = "who is it that asks for so much in here";
  CHECK(kind_of([&] { plan(longest, {}, 0); }) == "QUESTION_TOO_LONG");
  CHECK(plan(longest, 3, 2).inputs.front().ids == plan("who is it", {}, 2).inputs.front().ids);
  CHECK(kind_of([&] { plan("", {}, 2); }) == "EMPTY_INPUT");
  CHECK(plan_error(*task_of("question-answering"), {.text = "who", .pair = ""}) == "EMPTY_INPUT");
  CHECK(plan_error(*task_of("question-answering"), {.text = "who"}) == "PAIR_MISSING");
}

TEST_CASE("texts without words", "[tasks]") {
  const auto task = task_of("token-classification");
  const std::vector<ModelOutputs> outputs = {{ramp(2, 3)}};
  CHECK(task->finish(task->plan({.text = ""}), outputs).json() == "[]");
  const auto questions = task_of("question-answering");
  const std::vector<ModelOutputs> spans = {{row({1, 1, 1, 1}), row({1, 1, 1, 1})}};
  CHECK(questions->finish(questions->plan({.text = "who", .pair = "  "}), spans).json() ==
        R"({"score": 0.0, "start": 0, "end": 0, "answer": ""})");
  const auto options = with([](TaskOptions& o) { o.candidate_labels = {"x"}; });
  CHECK(plan_error(*task_of("zero-shot-classification", config_for({"entailment"}), options), {.text = ""}) ==
        "EMPTY_INPUT");
}

TEST_CASE("masks that are not there", "[tasks]") {
  const auto task = task_of("fill-mask");
  CHECK(plan_error(*task, {.text = "no blank"}) == "NO_MASK");
  CHECK(task->plan({.text = "a [MASK] and [MASK]"}).inputs.front().rows == std::vector<std::int32_t>{2, 4});
  WordTokenizer without;
  without.special.mask.reset();
  CHECK(plan_error(*task_of("fill-mask", config_for(), {}, &without), {.text = "a [MASK]"}) ==
        "NO_MASK_TOKEN");
}

TEST_CASE("a padded vocabulary has ids without a word", "[tasks]") {
  const auto task = task_of("fill-mask", config_for(), with([](TaskOptions& o) { o.top_k = 2; }));
  const TaskPlan plan = task->plan({.text = "a [MASK] bc"});
  std::vector<float> logits(24, 0.0F);
  logits[22] = 9;  // the tokenizer ends at 19
  logits[7] = 5;
  const std::vector<ModelOutputs> outputs = {{Tensor::from(logits, Shape{1, 24})}};
  const TaskValue value = task->finish(plan, outputs);
  CHECK(value.as_array()[0].at("token").as_int() == 22);
  CHECK(value.as_array()[0].at("token_str").as_string().empty());
  CHECK(value.as_array()[0].at("sequence").as_string() == "w1 w2");
  CHECK(value.as_array()[1].at("sequence").as_string() == "w1 w3 w2");
}

TEST_CASE("options that a task cannot take", "[tasks]") {
  const auto error = [](const char* name, const std::function<void(TaskOptions&)>& change,
                        std::vector<std::string> labels = {}) {
    return kind_of([&] { task_of(name, config_for(std::move(labels), 10), with(change)); });
  };
  for (const char* name : {"text-classification", "fill-mask", "question-answering", "text-ranking"}) {
    INFO(name);
    CHECK(error(name, [](TaskOptions& o) { o.top_k = -1; }) == "OPTION_VALUE");
  }
  CHECK(error("question-answering", [](TaskOptions& o) { o.top_k = 0; }) == "OPTION_VALUE");
  CHECK(error("question-answering", [](TaskOptions& o) { o.max_answer_len = 0; }) == "OPTION_VALUE");
  CHECK(error("question-answering", [](TaskOptions& o) { o.max_seq_len = 11; }) == "OPTION_VALUE");
  CHECK(error("question-answering", [](TaskOptions& o) { o.doc_stride = 11; }) == "OPTION_VALUE");
  CHECK(error("question-answering", [](TaskOptions& o) { o.doc_stride = -1; }) == "OPTION_VALUE");
  CHECK(error("token-classification", [](TaskOptions& o) { o.stride = 2; }) == "OPTION_VALUE");
  for (const std::int32_t stride : {-1, 10}) {
    CHECK(error("token-classification", [&](TaskOptions& o) {
            o.stride = stride;
            o.aggregation_strategy = AggregationStrategy::simple;
          }) == "OPTION_VALUE");
  }
  CHECK(error("sentence-embedding", [](TaskOptions& o) { o.truncate_dim = 0; }) == "OPTION_VALUE");
  CHECK(error("zero-shot-classification", [](TaskOptions&) {}, {"entailment"}) == "OPTION_VALUE");
  CHECK(error("zero-shot-classification", [](TaskOptions& o) { o.candidate_labels = {"x"}; },
              {"yes", "no"}) == "NO_ENTAILMENT_LABEL");
  for (const char* text : {"no place", "{} and {}", "{", "a } b", "{name}", "{0} {}", "{1}"}) {
    INFO(text);
    CHECK(error("zero-shot-classification",
                [&](TaskOptions& o) {
                  o.candidate_labels = {"x"};
                  o.hypothesis_template = text;
                },
                {"entailment"}) == "OPTION_VALUE");
  }
  CHECK(kind_of([] { parse_aggregation_strategy("most"); }) == "OPTION_VALUE");
  CHECK(kind_of([] { parse_function_to_apply("relu"); }) == "OPTION_VALUE");
  CHECK(kind_of([] { parse_truncation("yes"); }) == "OPTION_VALUE");
  CHECK(parse_aggregation_strategy("AVERAGE") == AggregationStrategy::average);
  CHECK_FALSE(parse_function_to_apply("default").has_value());
  CHECK(parse_truncation("true") == TruncationOption::longest_first);
}

TEST_CASE("outputs that are not numbers are no reason to fail", "[tasks]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto all = with([](TaskOptions& o) { o.top_k = 0; });
  const auto task = task_of("text-classification", config_for(), all);
  const std::vector<ModelOutputs> broken = {{row({1, nan, 2, infinity})}};
  const TaskValue labels = task->finish(task->plan({.text = "a"}), broken);
  CHECK(labels.as_array().size() == 4);
  CHECK_THAT(labels.json(), ContainsSubstring("null"));
  for (const char* strategy : {"none", "simple", "first", "average", "max"}) {
    const auto options =
        with([&](TaskOptions& o) { o.aggregation_strategy = parse_aggregation_strategy(strategy); });
    const auto tokens = task_of("token-classification", config_for(), options);
    const std::vector<ModelOutputs> rows = {{Tensor::from(std::vector<float>(9, nan), Shape{3, 3})}};
    CHECK(tokens->finish(tokens->plan({.text = "a"}), rows).as_array().size() == 1);
  }
  const auto questions = task_of("question-answering");
  const std::vector<ModelOutputs> spans = {{row({nan, nan, nan, nan, nan}), row({nan, nan, nan, nan, nan})}};
  CHECK(
      questions->finish(questions->plan({.text = "a", .pair = "b"}), spans).at("answer").as_string().empty());
}

TEST_CASE("outputs of another shape than was asked for are attend's own fault", "[tasks]") {
  const TaskInput input{.text = "a b"};
  const auto category = [&](const char* name, std::vector<ModelOutputs> outputs) {
    const auto task = task_of(name);
    const TaskPlan plan = task->plan(
        name == std::string_view("question-answering") ? TaskInput{.text = "a", .pair = "b"} : input);
    try {
      task->finish(plan, outputs);
    } catch (const Error& error) {
      return error.category();
    }
    return ErrorCategory::data;
  };
  CHECK(category("text-classification", {}) == ErrorCategory::internal);
  CHECK(category("text-classification", {{}}) == ErrorCategory::internal);
  CHECK(category("text-classification", {{ramp(4, 2)}}) == ErrorCategory::internal);
  CHECK(category("token-classification", {{ramp(3, 2)}}) == ErrorCategory::internal);
  CHECK(category("feature-extraction", {{ramp(5, 2)}}) == ErrorCategory::internal);
  CHECK(category("question-answering", {{row({1, 1, 1, 1, 1})}}) == ErrorCategory::internal);
  CHECK(category("question-answering", {{ramp(5, 2), ramp(5, 2)}}) == ErrorCategory::internal);
  const auto task = task_of("text-classification");
  const std::vector<TaskInput> inputs = {input};
  CHECK(kind_of([&] {
          run_task(*task, inputs, [](std::span<const ModelInput>) { return std::vector<ModelOutputs>(2); });
        }) == "INTERNAL");
}

}  // namespace
}  // namespace attend::test
