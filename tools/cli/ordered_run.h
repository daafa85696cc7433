// Runs inputs concurrently and hands out their results in the order of the inputs.
#pragma once

#include <cstddef>
#include <functional>

#include "attend/attend.h"
#include "tools/cli/inputs.h"

namespace attend::cli {

struct OrderedRun {
  // Called from a reading thread, in the order of the inputs.
  std::function<Request(std::size_t index, Input input)> make_request;
  // Called from the calling thread, in the order of the inputs. `result.error` is set for an input that
  // failed.
  std::function<void(std::size_t index, const InputItem& item, const Result& result)> consume;
};

// Reads ahead of the results by a bounded number of inputs, so that a file of any length can be run.
// Returns early when interrupted() or when `consume` throws; requests under way are then cancelled.
void run_in_order(const Model& model, InputSource& inputs, const OrderedRun& run);

}  // namespace attend::cli
