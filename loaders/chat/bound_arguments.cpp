#include <fmt/format.h>

#include <algorithm>

#include "loaders/chat/filters.h"

namespace attend::jinja {

BoundArguments::BoundArguments(std::string_view function, std::initializer_list<std::string_view> names,
                               std::size_t required, Arguments& arguments)
    : function_(function), values_(names.size()) {
  if (arguments.positional.size() > names.size()) {
    throw RuntimeFailure{fmt::format("{}() takes at most {} argument(s) ({} given)", function, names.size(),
                                     arguments.positional.size())};
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i)
    values_[i] = std::move(arguments.positional[i]);
  for (auto& [name, value] : arguments.keywords) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw RuntimeFailure{fmt::format("{}() got an unexpected keyword argument '{}'", function, name)};
    }
    auto& slot = values_[static_cast<std::size_t>(found - names.begin())];
    if (slot) throw RuntimeFailure{fmt::format("{}() got multiple values for argument '{}'", function, name)};
    slot = std::move(value);
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!values_[i]) {
      throw RuntimeFailure{
          fmt::format("{}() missing 1 required positional argument: '{}'", function, names.begin()[i])};
    }
  }
}

std::int64_t BoundArguments::integer_or(std::size_t index, std::int64_t otherwise) const {
  if (!has(index)) return otherwise;
  const Value& value = *values_[index];
  if (value.is_undefined()) throw RuntimeFailure{value.undefined_message()};
  if (!value.is_integer()) {
    throw RuntimeFailure{fmt::format("'{}' object cannot be interpreted as an integer", value.type_name())};
  }
  return value.integer();
}

std::string BoundArguments::text_or(std::size_t index, std::string otherwise) const {
  return has(index) ? values_[index]->str() : std::move(otherwise);
}

}  // namespace attend::jinja
