#include "device/parallel.h"

#include <torch/csrc/stable/c/shim.h>

#include <stdexcept>

namespace ingot::parallel_detail {

void run(std::int64_t begin, std::int64_t end, std::int64_t grain, RangeFunction function, void* context) {
  // The shim reports failure by its code only.
  if (torch_parallel_for(begin, end, grain, function, context) != 0) {
    throw std::runtime_error("a parallel loop failed");
  }
}

}  // namespace ingot::parallel_detail
