#pragma once
// CUDA kernels of layer_norm.h.

#include "ops/row_norm/cuda.h"

INGOT_CUDA_ROW_NORM(layer_norm)
