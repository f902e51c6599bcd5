#pragma once
// CUDA kernels of seed_norm.h.

#include "ops/row_norm/cuda.h"

INGOT_CUDA_ROW_NORM(seed_norm)
