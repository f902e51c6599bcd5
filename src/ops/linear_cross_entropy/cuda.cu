// One pass over the logits for the losses, row by row, and one for the gradient, tile by tile.

#include "device/cuda/kernel.cuh"
#include "ops/linear_cross_entropy/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 512;
constexpr int kPack = 4;
constexpr int kTileThreads = 256, kTileRows = 64;

/// Sum of exp(x - max) over the values seen so far.
struct Partition {
  float max, sum;
};

__device__ inline Partition joined(const Partition& a, const Partition& b) {
  const float max = fmaxf(a.max, b.max);
  if (max == -INFINITY) return {max, 0};
  return {max, a.sum * expf(a.max - max) + b.sum * expf(b.max - max)};
}

__device__ inline Partition warp_joined(Partition p) {
  for (int offset = 16; offset > 0; offset >>= 1) {
    p = joined(p, {__shfl_xor_sync(0xffffffffu, p.max, offset), __shfl_xor_sync(0xffffffffu, p.sum, offset)});
  }
  return p;
}

__device__ inline Partition block_joined(Partition p) {
  __shared__ Partition parts[kBlock / 32];
  p = warp_joined(p);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = p;
  __syncthreads();
  const int lane = threadIdx.x % 32;
  return warp_joined(lane < kBlock / 32 ? parts[lane] : Partition{-INFINITY, 0});
}

__device__ inline float scale_of(const IngotCudaLogits& c, std::int64_t column) {
  return c.column_scale == nullptr ? 1.0f : c.column_scale[column];
}

/// Adds the values of N packs, each kBlock packs after the last; all loads come first.
template <int N>
__device__ inline void join_packs(const IngotCudaLogits& c, const float* x, std::int64_t first, Partition& p) {
  Pack<float, kPack> v[N];
#pragma unroll
  for (int n = 0; n < N; ++n) v[n] = load<kPack>(x + (first + n * kBlock) * kPack);
  float max = p.max;
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      v[n].v[j] *= scale_of(c, (first + n * kBlock) * kPack + j);
      max = fmaxf(max, v[n].v[j]);
    }
  }
  float sum = p.sum * expf(p.max - max);
#pragma unroll
  for (int n = 0; n < N; ++n) {
#pragma unroll
    for (int j = 0; j < kPack; ++j) sum += expf(v[n].v[j] - max);
  }
  p = {max, sum};
}

/// A block handles a row; its maximum and the sum of exponentials are kept up to date together.
__global__ void __launch_bounds__(kBlock) losses(IngotCudaLogits c) {
  constexpr int kAtOnce = 4;
  const float* x = c.logits + blockIdx.x * c.stride;
  const std::int64_t target = c.targets[blockIdx.x], packs = c.vocab / kPack;
  Partition p{-INFINITY, 0};
  std::int64_t i = threadIdx.x;
  for (; i + (kAtOnce - 1) * kBlock < packs; i += kAtOnce * kBlock) join_packs<kAtOnce>(c, x, i, p);
  for (; i < packs; i += kBlock) join_packs<1>(c, x, i, p);
  for (i = packs * kPack + threadIdx.x; i < c.vocab; i += kBlock) p = joined(p, {x[i] * scale_of(c, i), 1});
  p = block_joined(p);
  if (threadIdx.x != 0) return;
  const float lse = p.max + logf(p.sum);
  c.cross_entropy[blockIdx.x] = target < 0 ? 0.0f : lse - x[target] * scale_of(c, target);
  c.z[blockIdx.x] = target < 0 ? 0.0f : c.z_loss * lse * lse;
  if (c.log_partition != nullptr) c.log_partition[blockIdx.x] = lse;
}

/// A block handles N columns for each thread in kTileRows rows, and sums the moments on the way.
template <int N>
__global__ void __launch_bounds__(kTileThreads)
    gradient(IngotCudaLogits c, float factor, bfloat16* low, float* moment_parts) {
  __shared__ float lse[kTileRows], weight[kTileRows];
  __shared__ std::int64_t target[kTileRows];
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * kTileRows;
  const int rows = static_cast<int>(c.rows - first < kTileRows ? c.rows - first : kTileRows);
  if (threadIdx.x < rows) {
    const std::int64_t row = first + threadIdx.x;
    lse[threadIdx.x] = c.log_partition[row];
    target[threadIdx.x] = c.targets[row];
    weight[threadIdx.x] = c.targets[row] < 0 ? 0.0f : factor * (1.0f + 2.0f * c.z_loss * c.log_partition[row]);
  }
  __syncthreads();
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * kTileThreads + threadIdx.x) * N;
  if (column >= c.vocab) return;
  float scale[N], moment[N] = {};
#pragma unroll
  for (int j = 0; j < N; ++j) scale[j] = scale_of(c, column + j);
#pragma unroll 4
  for (int i = 0; i < rows; ++i) {
    const std::int64_t at = (first + i) * c.stride + column;
    auto pack = load<N>(c.logits + at);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const float v = pack.v[j] * scale[j];
      float g = weight[i] * expf(v - lse[i]);
      if (column + j == target[i]) g -= factor;
      moment[j] += g * v;
      pack.v[j] = g * scale[j];
    }
    if (low == nullptr) {
      store(c.logits + at, pack);
    } else {
      Pack<bfloat16, N> rounded;
#pragma unroll
      for (int j = 0; j < N; ++j) rounded.v[j] = narrow<bfloat16>(pack.v[j]);
      store(low + at, rounded);
    }
  }
  if (moment_parts == nullptr) return;
#pragma unroll
  for (int j = 0; j < N; ++j) moment_parts[blockIdx.y * c.vocab + column + j] = moment[j];
}

std::int64_t tiles_of_rows(std::int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_chunk_losses(const IngotCudaLogits& c) {
  if (c.rows == 0) return;
  losses<<<static_cast<unsigned>(c.rows), kBlock, 0, stream_of(c.stream)>>>(c);
  check_launch("cross-entropy");
}

std::int64_t ingot_cuda_moment_partials(std::int64_t rows) { return tiles_of_rows(rows); }

void ingot_cuda_chunk_gradient(const IngotCudaLogits& c, float factor, void* low, float* moment_parts) {
  if (c.rows == 0) return;
  const auto launch = [&]<int N>() {
    const dim3 grid(blocks_for(c.vocab / N, kTileThreads), static_cast<unsigned>(tiles_of_rows(c.rows)));
    gradient<N><<<grid, kTileThreads, 0, stream_of(c.stream)>>>(c, factor, static_cast<bfloat16*>(low), moment_parts);
  };
  if (packs_fit<float, kPack>({c.logits, low}, {c.vocab, c.stride})) {
    launch.template operator()<kPack>();
  } else {
    launch.template operator()<1>();
  }
  check_launch("cross-entropy gradient");
}
}
