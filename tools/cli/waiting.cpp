#include "tools/cli/waiting.h"

#include <unistd.h>

#include <cstdlib>

namespace attend::cli {

void wait_briefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  execv("/proc/self/exe", argv);
  // Where that is not possible it goes on as it is.
}

}  // namespace attend::cli
