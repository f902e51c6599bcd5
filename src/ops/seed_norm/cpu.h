#pragma once
// CPU kernels of seed_norm.h.

#include "ops/row_norm/kernels.h"

namespace ingot::ops::seed_norm_cpu {

const row_norm::Kernels& kernels();

}  // namespace ingot::ops::seed_norm_cpu
