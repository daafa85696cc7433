// str.format() of Python.
#pragma once

#include <string>
#include <string_view>

#include "loaders/chat/interpreter.h"
#include "loaders/chat/value.h"

namespace attend::jinja {

// "{} {name.attribute[0]!r:>10}".format(...). RuntimeFailure for malformed fields and missing arguments.
std::string str_format(std::string_view format, const Arguments& arguments, Interpreter& interpreter);

}  // namespace attend::jinja
