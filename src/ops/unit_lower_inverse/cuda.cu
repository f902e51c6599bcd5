// A thread keeps one column of the inverse in registers: T_ic = [i = c] - sum over j < i of A_ij T_jc. Columns do not
// meet, so that a block needs no barrier after it has loaded A.

#include "device/cuda/kernel.cuh"
#include "ops/unit_lower_inverse/cuda.h"

namespace ingot::cuda {
namespace {

template <int kSize>
__global__ void __launch_bounds__(kSize) invert(const float* a, float* out) {
  __shared__ float rows[kSize * kSize];
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kSize * kSize;
  for (int i = threadIdx.x * 4; i < kSize * kSize; i += kSize * 4) store(rows + i, load<4>(a + at + i));
  __syncthreads();
  float column[kSize];
#pragma unroll
  for (int i = 0; i < kSize; ++i) {
    float value = i == static_cast<int>(threadIdx.x) ? 1.0f : 0.0f;
#pragma unroll
    for (int j = 0; j < i; ++j) value -= rows[i * kSize + j] * column[j];
    column[i] = value;
    out[at + i * kSize + threadIdx.x] = value;
  }
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

bool ingot_cuda_unit_lower_inverse_fits(std::int64_t size) { return size == 16 || size == 32 || size == 64; }

void ingot_cuda_unit_lower_inverse(const float* a, std::int64_t count, std::int64_t size, float* out, void* stream) {
  if (count == 0) return;
  const auto blocks = static_cast<unsigned>(count);
  if (size == 16) {
    invert<16><<<blocks, 16, 0, stream_of(stream)>>>(a, out);
  } else if (size == 32) {
    invert<32><<<blocks, 32, 0, stream_of(stream)>>>(a, out);
  } else {
    invert<64><<<blocks, 64, 0, stream_of(stream)>>>(a, out);
  }
  check_launch("unit_lower_inverse");
}
}
