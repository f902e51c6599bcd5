#pragma once
// What CUDA kernels share: element types, packs of elements, sums over threads, launches that are checked.

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "device/cuda/types.h"

namespace ingot::cuda {

using bfloat16 = __nv_bfloat16;

__device__ inline float wide(float x) { return x; }
__device__ inline float wide(bfloat16 x) { return __bfloat162float(x); }

template <class T>
__device__ inline T narrow(float x);
template <>
__device__ inline float narrow<float>(float x) {
  return x;
}
template <>
__device__ inline bfloat16 narrow<bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

/// N neighbouring elements that one instruction loads or stores.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

template <int N, class T>
__device__ inline Pack<T, N> load(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <class T, int N>
__device__ inline void store(T* p, const Pack<T, N>& x) {
  *reinterpret_cast<Pack<T, N>*>(p) = x;
}

__device__ inline float warp_sum(float x) {
  for (int offset = 16; offset > 0; offset >>= 1) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

/// Sum over groups of kThreads neighbouring threads, a warp or the whole block, for every thread of the group.
template <int kThreads>
__device__ inline float group_sum(float x) {
  x = warp_sum(x);
  if constexpr (kThreads > 32) {
    __shared__ float parts[kThreads / 32];
    __syncthreads();  // an earlier sum may still be read
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    x = warp_sum(threadIdx.x % 32 < kThreads / 32 ? parts[threadIdx.x % 32] : 0.0f);
  }
  return x;
}

inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string(kernel) + ": " + cudaGetErrorString(error));
}

inline unsigned blocks_for(std::int64_t work, int per_block) {
  return static_cast<unsigned>((work + per_block - 1) / per_block);
}

inline cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

/// Calls f.template operator()<T>() for the element type.
template <class F>
void with_type(GpuType type, F f) {
  if (type == GpuType::kFloat) {
    f.template operator()<float>();
  } else {
    f.template operator()<bfloat16>();
  }
}

/// Whether all pointers and row lengths allow packs of N elements of T.
template <class T, int N>
bool packs_fit(std::initializer_list<const void*> pointers, std::initializer_list<std::int64_t> lengths) {
  for (const void* p : pointers) {
    if (reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * N) != 0) return false;
  }
  for (const std::int64_t n : lengths) {
    if (n % N != 0) return false;
  }
  return true;
}

}  // namespace ingot::cuda
