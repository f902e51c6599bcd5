#pragma once
// What MFU is measured against.

#include "recipe/run_config.h"

namespace ingot {

/// GFLOP/s of matrix products of that precision (fp32 for `auto`): the data sheet's dense bf16 rate of a known GPU, the
/// measured rate of products elsewhere, which takes a tenth of a second. The device must be resolved.
double peak_gflops(Precision precision, DeviceKind device);

}  // namespace ingot
