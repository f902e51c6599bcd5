#include "device/cuda/kernel.cuh"
#include "ops/rotary/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;

template <class T, int kPack>
__global__ void __launch_bounds__(kBlock) rotate(IngotCudaRotation r) {
  const std::int64_t packs = r.half / kPack;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= r.tokens * r.heads * packs) return;
  const std::int64_t i = index % packs * kPack, head = index / packs % r.heads, token = index / packs / r.heads;
  const T* x = static_cast<const T*>(r.x) + token * r.x_stride + head * 2 * r.half + i;
  T* y = static_cast<T*>(r.y) + (token * r.heads + head) * 2 * r.half + i;
  const std::int64_t angle = token % r.angle_rows * r.half + i;
  const auto first = load<kPack>(x), second = load<kPack>(x + r.half);
  Pack<T, kPack> left, right;
#pragma unroll
  for (int j = 0; j < kPack; ++j) {
    const float a = wide(first.v[j]), b = wide(second.v[j]);
    const float c = r.cos[angle + j], s = r.sign * r.sin[angle + j];
    left.v[j] = narrow<T>(a * c - b * s);
    right.v[j] = narrow<T>(b * c + a * s);
  }
  store(y, left);
  store(y + r.half, right);
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" void ingot_cuda_rotate(const IngotCudaRotation& r) {
  const std::int64_t pairs = r.tokens * r.heads * r.half;
  if (pairs == 0) return;
  with_type(r.type, [&]<class T>() {
    constexpr int kFull = 16 / sizeof(T);
    if (packs_fit<T, kFull>({r.x, r.y}, {r.half, r.x_stride})) {
      rotate<T, kFull><<<blocks_for(pairs / kFull, kBlock), kBlock, 0, stream_of(r.stream)>>>(r);
    } else {
      rotate<T, 1><<<blocks_for(pairs, kBlock), kBlock, 0, stream_of(r.stream)>>>(r);
    }
  });
  check_launch("rotate_half");
}
