#pragma once
// Frame of the CUDA kernels of norms: from one rule for a row, kernels for every type and shape.
//
// A row is handled by a group of threads, a warp or a block; each thread keeps its packs of the row in registers, so
// that a pass reads everything once.

#include <algorithm>

#include "device/cuda/kernel.cuh"
#include "ops/row_norm/cuda.h"

namespace ingot::cuda::row_norm {

inline constexpr int kBlock = 256;
inline constexpr int kMaxPacks = 8;
inline constexpr int kBackwardBlocks =
    132 * 8;  // each walks over many rows and sums gradients of parameters on the way
inline constexpr int kMaxParameters = 3;

/// A thread's part of a row: pack p starts at element (p * kGroup + lane) * kPack. What lies beyond the row reads as 0.
template <int kPack, int kPacks, int kGroup>
struct Slice {
  struct Values {
    float v[kPacks][kPack];
    __device__ float* operator[](int p) { return v[p]; }
    __device__ const float* operator[](int p) const { return v[p]; }
  };

  std::int64_t width;
  int lane;

  __device__ std::int64_t begin(int p) const { return (static_cast<std::int64_t>(p) * kGroup + lane) * kPack; }
  __device__ bool holds(int p) const { return begin(p) < width; }

  /// f(p, i) for all of its elements, those beyond the row as well.
  template <class F>
  __device__ static void each(F f) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) f(p, i);
    }
  }

  template <class U>
  __device__ Values read(const U* row) const {
    Values out;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (holds(p)) {
        const auto pack = load<kPack>(row + begin(p));
#pragma unroll
        for (int i = 0; i < kPack; ++i) out[p][i] = wide(pack.v[i]);
      } else {
#pragma unroll
        for (int i = 0; i < kPack; ++i) out[p][i] = 0;
      }
    }
    return out;
  }

  template <class U>
  __device__ void write(U* row, const Values& in) const {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (!holds(p)) continue;
      Pack<U, kPack> pack;
#pragma unroll
      for (int i = 0; i < kPack; ++i) pack.v[i] = narrow<U>(in[p][i]);
      store(row + begin(p), pack);
    }
  }

  /// An element of a parameter as wide as the row, which may be null; 0 beyond the row.
  __device__ float at(const float* parameter, int p, int i, float if_null) const {
    if (parameter == nullptr) return if_null;
    return holds(p) ? parameter[begin(p) + i] : 0;
  }

  /// The sum of f(p, i) over the row, for every thread of the group.
  template <class F>
  __device__ static float sum(F f) {
    float total = 0;
    each([&](int p, int i) { total += f(p, i); });
    return group_sum<kGroup>(total);
  }
};

/// One row in a pass. Forward reads x and gate and writes y and statistics; backward reads dy and statistics as well
/// and writes dx and, if there is a gate, dgate.
template <class T, class Out, class Statistics>
struct Row {
  const T* x;
  const T* gate;
  Statistics* statistics;
  Out* y;
  const Out* dy;
  T* dx;
  T* dgate;
};

template <class T>
__device__ const T* row_of(const void* base, const ops::Rows& rows, std::int64_t row) {
  return static_cast<const T*>(base) + row / rows.inner * rows.stride + row % rows.inner * rows.width;
}

template <class Rule, class T, class Out, class S, int kGroup>
__global__ void __launch_bounds__(kBlock) forward(IngotCudaRowNorm norm, Out* y, float* statistics) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kBlock / kGroup) + threadIdx.x / kGroup;
  if (row >= norm.x_rows.count()) return;
  const std::int64_t width = norm.x_rows.width;
  const S slice{width, static_cast<int>(threadIdx.x % kGroup)};
  Rule::forward(norm, slice,
                Row<T, Out, float>{row_of<T>(norm.x, norm.x_rows, row),
                                   norm.gate == nullptr ? nullptr : row_of<T>(norm.gate, norm.gate_rows, row),
                                   statistics + row * norm.num_statistics, y + row * width});
}

template <class Rule, class T, class Out, class S, int kGroup>
__global__ void __launch_bounds__(kBlock)
    backward(IngotCudaRowNorm norm, const float* statistics, const Out* dy, T* dx, T* dgate, float* parts) {
  constexpr int kGroups = kBlock / kGroup;
  const std::int64_t width = norm.x_rows.width, rows = norm.x_rows.count();
  const std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * kGroups + threadIdx.x / kGroup;
  const S slice{width, static_cast<int>(threadIdx.x % kGroup)};
  typename S::Values sums[kMaxParameters] = {};
  for (std::int64_t row = group; row < rows; row += static_cast<std::int64_t>(gridDim.x) * kGroups) {
    Rule::backward(norm, slice,
                   Row<T, Out, const float>{row_of<T>(norm.x, norm.x_rows, row),
                                            norm.gate == nullptr ? nullptr : row_of<T>(norm.gate, norm.gate_rows, row),
                                            statistics + row * norm.num_statistics, nullptr, dy + row * width,
                                            dx + row * width, dgate == nullptr ? nullptr : dgate + row * width},
                   sums);
  }
  if (parts == nullptr) return;
  parts += group * (norm.lengths[0] + norm.lengths[1] + norm.lengths[2]);
#pragma unroll
  for (int n = 0; n < kMaxParameters; ++n) {
    if (norm.lengths[n] == 1) {
      const float sum = S::sum([&](int p, int i) { return sums[n][p][i]; });
      if (slice.lane == 0) *parts = sum;
    } else if (norm.lengths[n] != 0) {
      S::each([&](int p, int i) {
        if (slice.holds(p)) parts[slice.begin(p) + i] = sums[n][p][i];
      });
    }
    parts += norm.lengths[n];
  }
}

template <class T>
inline constexpr int kFullPack = 16 / sizeof(T);

template <class T>
bool is_packed(const IngotCudaRowNorm& norm) {
  return packs_fit<T, kFullPack<T>>(
      {norm.x, norm.gate}, {norm.x_rows.width, norm.x_rows.stride, norm.gate == nullptr ? 0 : norm.gate_rows.stride});
}

inline bool uses_warps(const IngotCudaRowNorm& norm) { return norm.x_rows.width <= 256; }

inline std::int64_t groups_per_block(const IngotCudaRowNorm& norm) { return uses_warps(norm) ? kBlock / 32 : 1; }

inline std::int64_t backward_blocks(const IngotCudaRowNorm& norm) {
  return std::min<std::int64_t>(kBackwardBlocks,
                                blocks_for(norm.x_rows.count(), static_cast<int>(groups_per_block(norm))));
}

template <class F>
void with_types(const IngotCudaRowNorm& norm, F f) {
  if (norm.type == GpuType::kBfloat16) return f.template operator()<bfloat16, bfloat16>();
  if (norm.out_type == GpuType::kBfloat16) return f.template operator()<float, bfloat16>();
  f.template operator()<float, float>();
}

/// Calls f.template operator()<T, Out, Slice, kGroup>().
template <class F>
void with_shape(const IngotCudaRowNorm& norm, F f) {
  with_types(norm, [&]<class T, class Out>() {
    const auto choose = [&]<int kPack, int kGroup>() {
      const std::int64_t packs = (norm.x_rows.width + kPack * kGroup - 1) / (kPack * kGroup);
      if constexpr (kPack == 1) {  // rare: not worth the compile time of more
        return f.template operator()<T, Out, Slice<kPack, kMaxPacks, kGroup>, kGroup>();
      }
      if (packs <= 1) return f.template operator()<T, Out, Slice<kPack, 1, kGroup>, kGroup>();
      if (packs <= 2) return f.template operator()<T, Out, Slice<kPack, 2, kGroup>, kGroup>();
      if (packs <= 4) return f.template operator()<T, Out, Slice<kPack, 4, kGroup>, kGroup>();
      return f.template operator()<T, Out, Slice<kPack, kMaxPacks, kGroup>, kGroup>();
    };
    const bool packed = is_packed<T>(norm), warps = uses_warps(norm);
    if (packed && warps) return choose.template operator()<kFullPack<T>, 32>();
    if (packed) return choose.template operator()<kFullPack<T>, kBlock>();
    if (warps) return choose.template operator()<1, 32>();
    return choose.template operator()<1, kBlock>();
  });
}

template <class Rule>
void launch_forward(const char* name, const IngotCudaRowNorm& norm, void* y, float* statistics) {
  if (norm.x_rows.count() == 0) return;
  const unsigned blocks = blocks_for(norm.x_rows.count(), static_cast<int>(groups_per_block(norm)));
  with_shape(norm, [&]<class T, class Out, class S, int kGroup>() {
    forward<Rule, T, Out, S, kGroup>
        <<<blocks, kBlock, 0, stream_of(norm.stream)>>>(norm, static_cast<Out*>(y), statistics);
  });
  check_launch(name);
}

template <class Rule>
void launch_backward(const char* name, const IngotCudaRowNorm& norm, const float* statistics, const void* dy, void* dx,
                     void* dgate, float* parts) {
  if (norm.x_rows.count() == 0) return;
  const auto blocks = static_cast<unsigned>(backward_blocks(norm));
  with_shape(norm, [&]<class T, class Out, class S, int kGroup>() {
    backward<Rule, T, Out, S, kGroup><<<blocks, kBlock, 0, stream_of(norm.stream)>>>(
        norm, statistics, static_cast<const Out*>(dy), static_cast<T*>(dx), static_cast<T*>(dgate), parts);
  });
  check_launch(name);
}

}  // namespace ingot::cuda::row_norm

/// Defines the kernels of INGOT_CUDA_ROW_NORM(name) from `Rule`, which has, both __device__,
///   template <class S, class T, class Out>
///   static void forward(const IngotCudaRowNorm&, const S& slice, const Row<T, Out, float>&)
///   static void backward(the same, const Row<T, Out, const float>&, typename S::Values (&sums)[kMaxParameters])
/// where sums, a thread's part of the parameters' gradients, are added to; of a parameter of one number all its
/// elements are summed.
#define INGOT_CUDA_ROW_NORM_KERNELS(name, Rule)                                                                       \
  extern "C" void ingot_cuda_##name##_forward(const IngotCudaRowNorm& norm, void* y, float* statistics) {             \
    ingot::cuda::row_norm::launch_forward<Rule>(#name " forward", norm, y, statistics);                               \
  }                                                                                                                   \
  extern "C" void ingot_cuda_##name##_backward(const IngotCudaRowNorm& norm, const float* statistics, const void* dy, \
                                               void* dx, void* dgate, float* parts) {                                 \
    ingot::cuda::row_norm::launch_backward<Rule>(#name " backward", norm, statistics, dy, dx, dgate, parts);          \
  }
