// A row is handled by a group of threads, a warp or a block; each thread keeps its packs of the row in registers, so that
// a pass reads everything once.

#include <algorithm>

#include "device/cuda/kernel.cuh"
#include "ops/rms_norm/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kMaxPacks = 8;
constexpr int kBackwardBlocks = 132 * 8;  // each walks over many rows and sums the gain's gradient on the way

/// Where a thread's packs lie: pack p of a row starts at (p * kGroup + lane) * kPack.
template <int kPack, int kPacks, int kGroup>
struct RowSlice {
  std::int64_t width;
  int lane;

  __device__ std::int64_t begin(int p) const { return (static_cast<std::int64_t>(p) * kGroup + lane) * kPack; }

  template <class U>
  __device__ void read(const U* row, float (&out)[kPacks][kPack]) const {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (begin(p) < width) {
        const auto pack = load<kPack>(row + begin(p));
#pragma unroll
        for (int i = 0; i < kPack; ++i) out[p][i] = wide(pack.v[i]);
      } else {
#pragma unroll
        for (int i = 0; i < kPack; ++i) out[p][i] = 0;
      }
    }
  }

  template <class U>
  __device__ void write(U* row, const float (&in)[kPacks][kPack]) const {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (begin(p) >= width) continue;
      Pack<U, kPack> pack;
#pragma unroll
      for (int i = 0; i < kPack; ++i) pack.v[i] = narrow<U>(in[p][i]);
      store(row + begin(p), pack);
    }
  }
};

template <class T>
__device__ const T* row_of(const void* base, const ops::Rows& rows, std::int64_t row) {
  return static_cast<const T*>(base) + row / rows.inner * rows.stride + row % rows.inner * rows.width;
}

template <class T, class Out, int kPack, int kPacks, int kGroup>
__global__ void __launch_bounds__(kBlock) forward(IngotCudaNorm norm, Out* y, float* r_out) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kBlock / kGroup) + threadIdx.x / kGroup;
  if (row >= norm.x_rows.count()) return;
  const std::int64_t width = norm.x_rows.width;
  const RowSlice<kPack, kPacks, kGroup> slice{width, static_cast<int>(threadIdx.x % kGroup)};
  float u[kPacks][kPack];
  slice.read(row_of<T>(norm.x, norm.x_rows, row), u);
  if (norm.gate != nullptr) {
    float z[kPacks][kPack];
    slice.read(row_of<T>(norm.gate, norm.gate_rows, row), z);
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) u[p][i] *= z[p][i] * sigmoid(z[p][i]);
    }
  }
  float sum = 0;
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) sum += u[p][i] * u[p][i];
  }
  sum = group_sum<kGroup>(sum);
  const float r = 1.0f / sqrtf(norm.factor * sum + norm.eps);
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      u[p][i] *= r * norm.scale;
      if (norm.gain != nullptr && slice.begin(p) < width) {
        u[p][i] = wide(narrow<T>(u[p][i])) * norm.gain[slice.begin(p) + i];
      }
    }
  }
  slice.write(y + row * width, u);
  if (slice.lane == 0) r_out[row] = r;
}

// With u = x (or x silu(gate)) and g = gain dy:  du = scale r (g - u factor r² <g, u>).
template <class T, class Out, int kPack, int kPacks, int kGroup>
__global__ void __launch_bounds__(kBlock)
    backward(IngotCudaNorm norm, const float* r_in, const Out* dy, T* dx, T* dgate, float* dgain_parts) {
  constexpr int kGroups = kBlock / kGroup;
  const std::int64_t width = norm.x_rows.width, rows = norm.x_rows.count();
  const std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * kGroups + threadIdx.x / kGroup;
  const RowSlice<kPack, kPacks, kGroup> slice{width, static_cast<int>(threadIdx.x % kGroup)};
  float dgain[kPacks][kPack] = {};
  for (std::int64_t row = group; row < rows; row += static_cast<std::int64_t>(gridDim.x) * kGroups) {
    float x[kPacks][kPack], g[kPacks][kPack], z[kPacks][kPack];
    slice.read(row_of<T>(norm.x, norm.x_rows, row), x);
    slice.read(dy + row * width, g);
    if (norm.gate != nullptr) slice.read(row_of<T>(norm.gate, norm.gate_rows, row), z);
    const auto value = [&](int p, int i) {
      return norm.gate == nullptr ? x[p][i] : x[p][i] * z[p][i] * sigmoid(z[p][i]);
    };
    const float r = r_in[row];
    const float scale = r * norm.scale;
    float dot = 0;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        const float u = value(p, i);
        if (norm.gain != nullptr && slice.begin(p) < width) {
          dgain[p][i] += g[p][i] * u * scale;
          g[p][i] *= norm.gain[slice.begin(p) + i];
        }
        dot += g[p][i] * u;
      }
    }
    dot = group_sum<kGroup>(dot);
    const float pull = norm.factor * r * r * dot;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        const float du = scale * (g[p][i] - value(p, i) * pull);
        if (norm.gate == nullptr) {
          x[p][i] = du;
        } else {
          const float s = sigmoid(z[p][i]);
          g[p][i] = du * x[p][i] * s * (1.0f + z[p][i] * (1.0f - s));
          x[p][i] = du * z[p][i] * s;
        }
      }
    }
    slice.write(dx + row * width, x);
    if (norm.gate != nullptr) slice.write(dgate + row * width, g);
  }
  if (dgain_parts == nullptr) return;
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    if (slice.begin(p) >= width) continue;
#pragma unroll
    for (int i = 0; i < kPack; ++i) dgain_parts[group * width + slice.begin(p) + i] = dgain[p][i];
  }
}

template <class T>
constexpr int kFullPack = 16 / sizeof(T);

template <class T>
bool is_packed(const IngotCudaNorm& norm) {
  return packs_fit<T, kFullPack<T>>(
      {norm.x, norm.gate}, {norm.x_rows.width, norm.x_rows.stride, norm.gate == nullptr ? 0 : norm.gate_rows.stride});
}

bool uses_warps(const IngotCudaNorm& norm) { return norm.x_rows.width <= 256; }

std::int64_t groups_per_block(const IngotCudaNorm& norm) { return uses_warps(norm) ? kBlock / 32 : 1; }

std::int64_t backward_blocks(const IngotCudaNorm& norm) {
  return std::min<std::int64_t>(kBackwardBlocks, blocks_for(norm.x_rows.count(), groups_per_block(norm)));
}

template <class F>
void with_types(const IngotCudaNorm& norm, F f) {
  if (norm.type == GpuType::kBfloat16) return f.template operator()<bfloat16, bfloat16>();
  if (norm.out_type == GpuType::kBfloat16) return f.template operator()<float, bfloat16>();
  f.template operator()<float, float>();
}

/// Calls f.template operator()<T, Out, kPack, kPacks, kGroup>().
template <class F>
void with_shape(const IngotCudaNorm& norm, F f) {
  with_types(norm, [&]<class T, class Out>() {
    const auto choose = [&]<int kPack, int kGroup>() {
      const std::int64_t packs = (norm.x_rows.width + kPack * kGroup - 1) / (kPack * kGroup);
      if (packs <= 1) return f.template operator()<T, Out, kPack, 1, kGroup>();
      if (packs <= 2) return f.template operator()<T, Out, kPack, 2, kGroup>();
      if (packs <= 4) return f.template operator()<T, Out, kPack, 4, kGroup>();
      return f.template operator()<T, Out, kPack, kMaxPacks, kGroup>();
    };
    const bool packed = is_packed<T>(norm), warps = uses_warps(norm);
    if (packed && warps) return choose.template operator()<kFullPack<T>, 32>();
    if (packed) return choose.template operator()<kFullPack<T>, kBlock>();
    if (warps) return choose.template operator()<1, 32>();
    return choose.template operator()<1, kBlock>();
  });
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

bool ingot_cuda_norm_fits(const IngotCudaNorm& norm) {
  bool fits = false;
  with_type(norm.type, [&]<class T>() {
    const std::int64_t pack = is_packed<T>(norm) ? kFullPack<T> : 1;
    fits = norm.x_rows.width <= kMaxPacks * kBlock * pack;
  });
  return fits;
}

void ingot_cuda_norm_forward(const IngotCudaNorm& norm, void* y, float* r) {
  if (norm.x_rows.count() == 0) return;
  const unsigned blocks = blocks_for(norm.x_rows.count(), static_cast<int>(groups_per_block(norm)));
  with_shape(norm, [&]<class T, class Out, int kPack, int kPacks, int kGroup>() {
    forward<T, Out, kPack, kPacks, kGroup>
        <<<blocks, kBlock, 0, stream_of(norm.stream)>>>(norm, static_cast<Out*>(y), r);
  });
  check_launch("rms_norm forward");
}

std::int64_t ingot_cuda_norm_partials(const IngotCudaNorm& norm) {
  return backward_blocks(norm) * groups_per_block(norm);
}

void ingot_cuda_norm_backward(const IngotCudaNorm& norm, const float* r, const void* dy, void* dx, void* dgate,
                              float* dgain_parts) {
  if (norm.x_rows.count() == 0) return;
  const auto blocks = static_cast<unsigned>(backward_blocks(norm));
  with_shape(norm, [&]<class T, class Out, int kPack, int kPacks, int kGroup>() {
    backward<T, Out, kPack, kPacks, kGroup><<<blocks, kBlock, 0, stream_of(norm.stream)>>>(
        norm, r, static_cast<const Out*>(dy), static_cast<T*>(dx), static_cast<T*>(dgate), dgain_parts);
  });
  check_launch("rms_norm backward");
}
}
