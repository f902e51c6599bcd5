#pragma once
// CUDA kernels of rms_norm.h.

#include "ops/row_norm/cuda.h"

INGOT_CUDA_ROW_NORM(rms_norm)
