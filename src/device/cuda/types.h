#pragma once
// Element types of CUDA kernels, for their declarations on both sides.

namespace ingot {

enum class GpuType : int { kFloat, kBfloat16 };

}  // namespace ingot
