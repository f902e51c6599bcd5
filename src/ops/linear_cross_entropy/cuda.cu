// A block handles a row: one pass for the maximum and the sum of exponentials, kept up to date together, one for the gradient.

#include "device/cuda/kernel.cuh"
#include "ops/linear_cross_entropy/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 512;
constexpr int kPack = 4;

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

/// Log of the row's partition sum; the losses are written on the way.
__device__ inline float row_losses(const IngotCudaLogits& c, const float* x, std::int64_t target) {
  Partition p{-INFINITY, 0};
  const std::int64_t packs = c.vocab / kPack;
  for (std::int64_t i = threadIdx.x; i < packs; i += kBlock) {
    const auto pack = load<kPack>(x + i * kPack);
    float v[kPack], max = p.max;
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      v[j] = pack.v[j] * scale_of(c, i * kPack + j);
      max = fmaxf(max, v[j]);
    }
    float sum = p.sum * expf(p.max - max);
#pragma unroll
    for (int j = 0; j < kPack; ++j) sum += expf(v[j] - max);
    p = {max, sum};
  }
  for (std::int64_t i = packs * kPack + threadIdx.x; i < c.vocab; i += kBlock) {
    p = joined(p, {x[i] * scale_of(c, i), 1});
  }
  p = block_joined(p);
  const float lse = p.max + logf(p.sum);
  if (threadIdx.x == 0) {
    c.cross_entropy[blockIdx.x] = target < 0 ? 0.0f : lse - x[target] * scale_of(c, target);
    c.z[blockIdx.x] = target < 0 ? 0.0f : c.z_loss * lse * lse;
  }
  return lse;
}

__global__ void __launch_bounds__(kBlock) losses(IngotCudaLogits c) {
  row_losses(c, c.logits + blockIdx.x * c.stride, c.targets[blockIdx.x]);
}

__global__ void __launch_bounds__(kBlock) gradient(IngotCudaLogits c, float factor, bfloat16* low) {
  float* x = c.logits + blockIdx.x * c.stride;
  const std::int64_t target = c.targets[blockIdx.x];
  const float lse = row_losses(c, x, target);
  __syncthreads();  // the target's logit was read
  const float weight = target < 0 ? 0.0f : factor * (1.0f + 2.0f * c.z_loss * lse);
  const float hit = target < 0 ? 0.0f : factor;
  bfloat16* out = low == nullptr ? nullptr : low + blockIdx.x * c.stride;
  const auto one = [&](float logit, std::int64_t column, float& d, float& moment) {
    const float scale = scale_of(c, column), v = logit * scale;
    float g = weight * expf(v - lse);
    if (column == target) g -= hit;
    d = g * scale;
    moment = g * v;
  };
  const std::int64_t packs = c.vocab / kPack;
  for (std::int64_t i = threadIdx.x; i < packs; i += kBlock) {
    const auto pack = load<kPack>(x + i * kPack);
    Pack<float, kPack> d, moment;
#pragma unroll
    for (int j = 0; j < kPack; ++j) one(pack.v[j], i * kPack + j, d.v[j], moment.v[j]);
    if (out == nullptr) {
      store(x + i * kPack, d);
      continue;
    }
    Pack<bfloat16, kPack> rounded;
#pragma unroll
    for (int j = 0; j < kPack; ++j) rounded.v[j] = narrow<bfloat16>(d.v[j]);
    store(out + i * kPack, rounded);
    if (c.column_scale != nullptr) store(x + i * kPack, moment);
  }
  for (std::int64_t i = packs * kPack + threadIdx.x; i < c.vocab; i += kBlock) {
    float d, moment;
    one(x[i], i, d, moment);
    if (out == nullptr) {
      x[i] = d;
    } else {
      out[i] = narrow<bfloat16>(d);
      x[i] = moment;
    }
  }
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_chunk_losses(const IngotCudaLogits& c) {
  if (c.rows == 0) return;
  losses<<<static_cast<unsigned>(c.rows), kBlock, 0, stream_of(c.stream)>>>(c);
  check_launch("cross-entropy");
}

void ingot_cuda_chunk_gradient(const IngotCudaLogits& c, float factor, void* low) {
  if (c.rows == 0) return;
  gradient<<<static_cast<unsigned>(c.rows), kBlock, 0, stream_of(c.stream)>>>(c, factor, static_cast<bfloat16*>(low));
  check_launch("cross-entropy gradient");
}
}
