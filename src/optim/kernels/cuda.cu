#include <algorithm>

#include "device/cuda/kernel.cuh"
#include "optim/kernels/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kPack = 4;

/// parts[block]: the sum of x² over what the block's threads walk through.
template <int N>
__global__ void __launch_bounds__(kBlock) squares(const float* x, std::int64_t n, double* parts) {
  __shared__ double sums[kBlock];
  double sum = 0;
  for (std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x) * N; at < n;
       at += static_cast<std::int64_t>(gridDim.x) * kBlock * N) {
    const auto pack = load<N>(x + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += static_cast<double>(pack.v[i]) * pack.v[i];
  }
  sums[threadIdx.x] = sum;
  for (int half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = sums[0];
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

std::int64_t ingot_cuda_square_partials(std::int64_t n) {
  constexpr std::int64_t kMost = 132 * 16;
  return std::clamp<std::int64_t>(n / (kBlock * kPack), 1, kMost);
}

void ingot_cuda_squares(const float* x, std::int64_t n, double* parts, void* stream) {
  const auto blocks = static_cast<unsigned>(ingot_cuda_square_partials(n));
  if (packs_fit<float, kPack>({x}, {n})) {
    squares<kPack><<<blocks, kBlock, 0, stream_of(stream)>>>(x, n, parts);
  } else {
    squares<1><<<blocks, kBlock, 0, stream_of(stream)>>>(x, n, parts);
  }
  check_launch("sum of squares");
}
}
