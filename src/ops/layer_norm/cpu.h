#pragma once
// CPU kernels of layer_norm.h.

#include "ops/row_norm/kernels.h"

namespace ingot::ops::layer_norm_cpu {

const row_norm::Kernels& kernels();

}  // namespace ingot::ops::layer_norm_cpu
