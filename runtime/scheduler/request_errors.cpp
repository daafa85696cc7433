#include "runtime/scheduler/request_errors.h"

#include <new>
#include <string>

namespace attend {

Error cancelled_error() {
  return Error("CANCELLED", "request", "the request was cancelled", ErrorCategory::cancelled);
}

Error memory_error(std::uint64_t limit) {
  return Error("CACHE_MEMORY", "request",
               "the request needs more cache than the limit of " + std::to_string(limit >> 20) +
                   " MiB; shorten it, use fewer beams, or raise --max-memory");
}

Error as_error(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY", "request", "the machine has no memory left", ErrorCategory::internal);
  } catch (const std::exception& e) {
    return internal_error("request", e.what());
  }
}

}  // namespace attend
