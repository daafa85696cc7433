// What this process may use of the machine: its cpuset and control group count, not the hardware.
#pragma once

#include <cstdint>
#include <string>

namespace attend {

// Processors of the affinity mask, bounded by the control group's quota; at least 1.
int usable_processors();
// Memory that can be taken without swapping, bounded by the control group's limit.
std::uint64_t available_memory_bytes();

// The type that is computed in for LoadOptions::dtype; throws a usage Error for one that is not supported.
std::string checked_dtype(const std::string& dtype);

}  // namespace attend
