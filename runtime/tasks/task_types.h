// The constructors of the tasks, for the table in task.cpp.
#pragma once

#include <memory>

#include "runtime/tasks/task_context.h"

namespace attend::tasks {

std::unique_ptr<Task> make_feature_extraction(TaskContext context);
std::unique_ptr<Task> make_fill_mask(TaskContext context);
std::unique_ptr<Task> make_question_answering(TaskContext context);
std::unique_ptr<Task> make_sentence_embedding(TaskContext context);
std::unique_ptr<Task> make_sentence_similarity(TaskContext context);
std::unique_ptr<Task> make_text_classification(TaskContext context);
std::unique_ptr<Task> make_text_ranking(TaskContext context);
std::unique_ptr<Task> make_token_classification(TaskContext context);
std::unique_ptr<Task> make_zero_shot_classification(TaskContext context);

}  // namespace attend::tasks
