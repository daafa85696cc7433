// How threads wait for each other.
#pragma once

namespace attend::cli {

// OpenMP's threads wait for each other in a loop that lasts 3 ms unless the environment says otherwise.
// Beside another program on one of the cores that loop takes the time that the thread waited for would need:
// with two threads a quarter of the throughput is left, and half of it with loops of 10 us, which cost
// nothing alone. libgomp reads the environment before main() and never again, so the program starts itself
// once more; what GOMP_SPINCOUNT or OMP_WAIT_POLICY say is kept.
void wait_briefly(char** argv);

}  // namespace attend::cli
