#include "device/cuda/kernel.cuh"
#include "ops/scale_heads/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;

/// A thread has a pack of a head.
template <class T, int N>
__global__ void __launch_bounds__(kBlock) forward(IngotCudaScaleHeads op, const T* added, T* y) {
  const std::int64_t packs = op.width / N;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= op.tokens * op.heads * packs) return;
  const std::int64_t at = index % packs * N, head = index / packs % op.heads, token = index / packs / op.heads;
  const float scale = op.scale[token * op.scale_stride + head];
  const auto x = load<N>(static_cast<const T*>(op.x) + token * op.x_stride + head * op.width + at);
  Pack<T, N> more{}, out;
  if (added != nullptr) more = load<N>(added + index * N);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    out.v[i] = narrow<T>(scale * wide(x.v[i]) + (added == nullptr ? 0.0f : wide(more.v[i])));
  }
  store(y + index * N, out);
}

/// A warp has a head.
template <class T, int N>
__global__ void __launch_bounds__(kBlock) backward(IngotCudaScaleHeads op, const T* dy, T* dx, float* dscale) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * (kBlock / 32) + threadIdx.x / 32;
  if (index >= op.tokens * op.heads) return;
  const std::int64_t head = index % op.heads, token = index / op.heads;
  const float scale = op.scale[token * op.scale_stride + head];
  const T* x = static_cast<const T*>(op.x) + token * op.x_stride + head * op.width;
  float sum = 0;
  for (std::int64_t at = threadIdx.x % 32 * N; at < op.width; at += 32 * N) {
    const auto d = load<N>(dy + index * op.width + at), value = load<N>(x + at);
    Pack<T, N> out;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum += wide(d.v[i]) * wide(value.v[i]);
      out.v[i] = narrow<T>(scale * wide(d.v[i]));
    }
    store(dx + index * op.width + at, out);
  }
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) dscale[index] = sum;
}

/// Calls f.template operator()<T, N>(); packs of kBytes.
template <int kBytes, class F>
void with_packs(const IngotCudaScaleHeads& op, std::initializer_list<const void*> pointers, F f) {
  with_type(op.type, [&]<class T>() {
    constexpr int kPack = kBytes / sizeof(T);
    if (packs_fit<T, kPack>({op.x}, {op.width, op.x_stride}) && packs_fit<T, kPack>(pointers, {})) {
      return f.template operator()<T, kPack>();
    }
    f.template operator()<T, 1>();
  });
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_scale_heads_forward(const IngotCudaScaleHeads& op, const void* added, void* y) {
  const std::int64_t elements = op.tokens * op.heads * op.width;
  if (elements == 0) return;
  with_packs<16>(op, {added, y}, [&]<class T, int N>() {
    forward<T, N><<<blocks_for(elements / N, kBlock), kBlock, 0, stream_of(op.stream)>>>(
        op, static_cast<const T*>(added), static_cast<T*>(y));
  });
  check_launch("scale_heads forward");
}

void ingot_cuda_scale_heads_backward(const IngotCudaScaleHeads& op, const void* dy, void* dx, float* dscale) {
  if (op.tokens * op.heads == 0) return;
  // Small packs: a head of 64 elements then still has work for a warp.
  with_packs<4>(op, {dy, dx}, [&]<class T, int N>() {
    backward<T, N><<<blocks_for(op.tokens * op.heads, kBlock / 32), kBlock, 0, stream_of(op.stream)>>>(
        op, static_cast<const T*>(dy), static_cast<T*>(dx), dscale);
  });
  check_launch("scale_heads backward");
}
}
