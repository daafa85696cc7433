// How requests fail in the scheduler.
#pragma once

#include <cstdint>
#include <exception>

#include "attend/error.h"

namespace attend {

Error cancelled_error();
// `limit` bytes are all that the cache may have.
Error memory_error(std::uint64_t limit);
// Any exception, as an Error.
Error as_error(const std::exception_ptr& exception);

}  // namespace attend
