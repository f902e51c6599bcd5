#include "device/cuda/kernel.cuh"
#include "ops/swiglu/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;

template <class T, int kPack>
__global__ void __launch_bounds__(kBlock) forward(const T* x, std::int64_t rows, std::int64_t n, T* y) {
  const std::int64_t packs = n / kPack;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= rows * packs) return;
  const T* gate_at = x + index / packs * 2 * n + index % packs * kPack;
  const auto gate = load<kPack>(gate_at), up = load<kPack>(gate_at + n);
  Pack<T, kPack> out;
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    const float g = wide(gate.v[i]);
    out.v[i] = narrow<T>(g * sigmoid(g) * wide(up.v[i]));
  }
  store(y + index * kPack, out);
}

// With s = sigmoid(g): dup = dy g s;  dgate = dy up s (1 + g (1 - s)).
template <class T, int kPack>
__global__ void __launch_bounds__(kBlock) backward(const T* x, const T* dy, std::int64_t rows, std::int64_t n, T* dx) {
  const std::int64_t packs = n / kPack;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= rows * packs) return;
  const std::int64_t at = index / packs * 2 * n + index % packs * kPack;
  const auto gate = load<kPack>(x + at), up = load<kPack>(x + at + n), down = load<kPack>(dy + index * kPack);
  Pack<T, kPack> dgate, dup;
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    const float g = wide(gate.v[i]), s = sigmoid(g), d = wide(down.v[i]);
    dgate.v[i] = narrow<T>(d * wide(up.v[i]) * s * (1.0f + g * (1.0f - s)));
    dup.v[i] = narrow<T>(d * g * s);
  }
  store(dx + at, dgate);
  store(dx + at + n, dup);
}

/// Calls f.template operator()<T, kPack>() with the widest packs that n allows.
template <class F>
void with_packs(GpuType type, std::initializer_list<const void*> pointers, std::int64_t n, F f) {
  with_type(type, [&]<class T>() {
    constexpr int kFull = 16 / sizeof(T);
    if (packs_fit<T, kFull>(pointers, {n})) {
      f.template operator()<T, kFull>();
    } else {
      f.template operator()<T, 1>();
    }
  });
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_swiglu_forward(ingot::GpuType type, const void* x, std::int64_t rows, std::int64_t n, void* y,
                               void* stream) {
  if (rows * n == 0) return;
  with_packs(type, {x, y}, n, [&]<class T, int kPack>() {
    forward<T, kPack><<<blocks_for(rows * n / kPack, kBlock), kBlock, 0, stream_of(stream)>>>(
        static_cast<const T*>(x), rows, n, static_cast<T*>(y));
  });
  check_launch("swiglu forward");
}

void ingot_cuda_swiglu_backward(ingot::GpuType type, const void* x, const void* dy, std::int64_t rows, std::int64_t n,
                                void* dx, void* stream) {
  if (rows * n == 0) return;
  with_packs(type, {x, dy, dx}, n, [&]<class T, int kPack>() {
    backward<T, kPack><<<blocks_for(rows * n / kPack, kBlock), kBlock, 0, stream_of(stream)>>>(
        static_cast<const T*>(x), static_cast<const T*>(dy), rows, n, static_cast<T*>(dx));
  });
  check_launch("swiglu backward");
}
}
