#include "runtime/api/machine.h"

#include <malloc.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace attend {

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  // cgroup v2: "max 100000" or "150000 100000" (microseconds per period).
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) {
    double microseconds = 0;
    if (std::istringstream(quota) >> microseconds) {
      count = std::min(count, static_cast<int>(std::max(1.0, std::floor(microseconds / period))));
    }
  }
  return std::max(count, 1);
}

std::uint64_t available_memory_bytes() {
  std::uint64_t available = std::numeric_limits<std::uint64_t>::max();
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::uint64_t kibibytes = 0;
  std::string unit;
  while (meminfo >> key >> kibibytes && std::getline(meminfo, unit)) {
    if (key == "MemAvailable:") available = kibibytes << 10;
  }
  const auto read_bytes = [](const char* path, std::uint64_t& bytes) {
    std::ifstream file(path);
    return static_cast<bool>(file >> bytes);  // "max" is no number: no limit
  };
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  if (read_bytes("/sys/fs/cgroup/memory.max", limit) && read_bytes("/sys/fs/cgroup/memory.current", used)) {
    available = std::min(available, limit > used ? limit - used : 0);
  }
  return available;
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace attend
