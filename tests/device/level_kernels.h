#pragma once
// A loop over the functions of simd.h, compiled as kernels are.

#include <vector>

#include "device/simd.h"

namespace ingot::testing {

struct LoopResult {
  std::vector<float> y;  // tanh(e^x + sigmoid(x))
  float sum = 0;         // of x + y, in lanes

  bool operator==(const LoopResult&) const = default;
};

/// At a level that this CPU has.
LoopResult run_loop(const std::vector<float>& x, simd::Level level);
/// At `simd::level()`.
LoopResult run_loop(const std::vector<float>& x);

}  // namespace ingot::testing
