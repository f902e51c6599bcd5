#pragma once
// CPU kernels of dyt.h.

#include "ops/row_norm/kernels.h"

namespace ingot::ops::dyt_cpu {

const row_norm::Kernels& kernels();

}  // namespace ingot::ops::dyt_cpu
