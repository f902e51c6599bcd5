#pragma once
// CPU kernels of rms_norm.h.

#include "ops/row_norm/kernels.h"

namespace ingot::ops::rms_norm_cpu {

const row_norm::Kernels& kernels();

}  // namespace ingot::ops::rms_norm_cpu
