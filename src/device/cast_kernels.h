#pragma once
// Kernels of cast.h.

#include <cstdint>

namespace ingot::cast_kernels {

/// bfloat16 bits of x.
void to_bfloat16(std::uint16_t* to, const float* x, std::int64_t n);

}  // namespace ingot::cast_kernels
