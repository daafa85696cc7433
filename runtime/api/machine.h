// What this process may use of the machine: its cpuset and control group count, not the hardware.
#pragma once

#include <cstdint>

namespace attend {

// Processors of the affinity mask, bounded by the control group's quota; at least 1.
int usable_processors();
// Memory that can be taken without swapping, bounded by the control group's limit.
std::uint64_t available_memory_bytes();

// Gives the system back what was freed: the allocator keeps it for later, which after loading a model would
// be several megabytes that nothing asks for again.
void return_freed_memory();

}  // namespace attend
