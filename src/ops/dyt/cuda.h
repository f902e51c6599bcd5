#pragma once
// CUDA kernels of dyt.h.

#include "ops/row_norm/cuda.h"

INGOT_CUDA_ROW_NORM(dyt)
