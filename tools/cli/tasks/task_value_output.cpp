// Tasks of encoders: the value has the fields of the Hugging Face pipeline already.
#include "tools/cli/tasks/task_output.h"

namespace attend::cli {
namespace {

std::vector<nlohmann::ordered_json> json(const Result& result, const OutputContext&) {
  return {nlohmann::ordered_json::parse(result.value.json())};
}

std::string cell(const TaskValue& value) {
  std::string text = value.json();
  // Text as it is, numbers and the rest as JSON.
  if (!text.empty() && text.front() == '"') text = value.as_string();
  return text;
}

// An object's fields beside each other; an array's values below each other, vectors in one line.
void append_lines(const TaskValue& value, std::vector<std::string>& lines) {
  if (value.is_object()) {
    std::string line;
    for (const TaskField& field : value.as_object()) {
      if (!line.empty()) line += '\t';
      line += cell(field.value);
    }
    lines.push_back(std::move(line));
  } else if (value.is_array()) {
    for (const TaskValue& element : value.as_array()) append_lines(element, lines);
  } else {
    lines.push_back(cell(value));
  }
}

std::vector<std::string> text(const Result& result, const OutputContext&) {
  std::vector<std::string> lines;
  append_lines(result.value, lines);
  if (lines.empty()) lines.emplace_back();  // nothing found: an empty line keeps inputs apart
  return lines;
}

}  // namespace

const TaskOutput kTaskValueOutput = {"", json, text};

}  // namespace attend::cli
