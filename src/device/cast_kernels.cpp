#include "device/cast_kernels.h"

#include "device/simd.h"

namespace ingot::cast_kernels {

INGOT_MULTIVERSION void to_bfloat16(std::uint16_t* __restrict to, const float* __restrict x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) simd::store(to + i, x[i]);
}

}  // namespace ingot::cast_kernels
