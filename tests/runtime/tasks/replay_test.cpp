// What Hugging Face's pipelines answered, from the same model outputs (tests/goldens/make_tasks.py).
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/runtime/tasks/recorded.h"

namespace attend::test {
namespace {

void replay(const std::string& file, std::size_t least) {
  const std::vector<RecordedCase> cases = recorded_cases(file);
  REQUIRE(cases.size() >= least);
  for (const RecordedCase& item : cases) {
    INFO(item.task << ": " << item.name);
    const auto task =
        make_task(item.task, std::make_shared<TaskConfig>(item.config), item.options, item.tokenizer.get());
    const TaskPlan plan = task->plan(item.input);
    REQUIRE(plan.inputs.size() == item.sequences.size());
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
      INFO("sequence " << i);
      CHECK(plan.inputs[i].ids == item.sequences[i].ids);
      CHECK(plan.inputs[i].type_ids == item.sequences[i].type_ids);
      CHECK(plan.inputs[i].rows == item.sequences[i].rows);
    }
    CHECK(difference(task->finish(plan, item.outputs), item.expected) == "");
  }
}

TEST_CASE("tasks answer as the pipelines of transformers", "[tasks]") {
  replay("pipelines", 80);
}

TEST_CASE("questions are answered as by the question-answering pipeline", "[tasks]") {
  replay("question_answering", 20);
}

TEST_CASE("embeddings and rankings are those of sentence-transformers", "[tasks]") {
  replay("sentence_transformers", 15);
}

}  // namespace
}  // namespace attend::test
