// safetensors files from any bytes: a typed error, or tensors that can all be read.
#include <cstddef>
#include <cstdint>

#include "attend/error.h"
#include "loaders/files/safetensors.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/read_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  std::unique_ptr<attend::StoredTensors> store;
  try {
    store = attend::open_safetensors(file.path());
  } catch (const attend::Error&) {
    return 0;
  }
  read_tensors(*store, size);  // no error is expected any more
  try {
    attend::check_finite(*store);
  } catch (const attend::Error&) {
  }
  return 0;
}
