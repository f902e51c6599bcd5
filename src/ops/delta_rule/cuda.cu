// A block carries the state of one batch row and head, kSlice of its columns, through all chunks: columns do not meet.
// The state stays in registers in fp32, as sums of the tensor cores; products take it rounded to bf16 through shared
// memory. The next chunk's tiles are fetched while this one is worked on.

#include "device/cuda/mma.cuh"
#include "ops/delta_rule/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 128;  // four warps
constexpr int kChunk = 64;
constexpr int kSlice = 64;
constexpr int kPad = 8;  // elements: rows of a tile then start in different banks
constexpr int kSliceStride = kSlice + kPad;

template <int kKeys>
struct Tiles {
  static constexpr int kStride = kKeys + kPad;
  bfloat16 read[kChunk * kStride];
  bfloat16 write[kChunk * kStride];
  bfloat16 value[kChunk * kSliceStride];
};

template <int kKeys>
struct Shared {
  Tiles<kKeys> tiles[2];
  bfloat16 state[kKeys * kSliceStride];
};

/// Rows of kColumns elements, `from_stride` apart, to a tile in shared memory.
template <int kRows, int kColumns>
__device__ void fetch(bfloat16* to, int to_stride, const bfloat16* from, std::int64_t from_stride) {
  constexpr int kPacks = kColumns / 8;
  for (int i = threadIdx.x; i < kRows * kPacks; i += kBlock) {
    const int row = i / kPacks, column = i % kPacks * 8;
    copy_async(to + row * to_stride + column, from + row * from_stride + column);
  }
}

template <int kRows, int kColumns>
__device__ void put(bfloat16* to, std::int64_t to_stride, const bfloat16* from, int from_stride) {
  constexpr int kPacks = kColumns / 8;
  for (int i = threadIdx.x; i < kRows * kPacks; i += kBlock) {
    const int row = i / kPacks, column = i % kPacks * 8;
    store(to + row * to_stride + column, load<8>(from + row * from_stride + column));
  }
}

__device__ inline void round_pair(bfloat16* to, float x, float y) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(x, y);
}

template <int kKeys>
__global__ void __launch_bounds__(kBlock) scan(IngotCudaDeltaScan s) {
  constexpr int kStride = Tiles<kKeys>::kStride;
  constexpr int kRowTiles = kKeys / 64;  // of 16 state rows, for each warp
  constexpr int kColumnTiles = kSlice / 8;
  extern __shared__ __align__(16) unsigned char memory[];
  Shared<kKeys>& shared = *reinterpret_cast<Shared<kKeys>*>(memory);
  const std::int64_t slices = s.dv / kSlice;
  const std::int64_t column0 = blockIdx.x % slices * kSlice, bh = blockIdx.x / slices, all = s.batch * s.heads;
  const std::int64_t batch_row = bh / s.heads;
  const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

  const auto chunk_at = [&](std::int64_t i) { return s.reverse ? s.chunks - 1 - i : i; };
  const auto fetch_chunk = [&](std::int64_t i) {
    const std::int64_t at = chunk_at(i) * all + bh;
    Tiles<kKeys>& tiles = shared.tiles[i % 2];
    fetch<kChunk, kKeys>(tiles.read, kStride, static_cast<const bfloat16*>(s.read) + at * kChunk * kKeys, kKeys);
    fetch<kChunk, kKeys>(tiles.write, kStride, static_cast<const bfloat16*>(s.write) + at * kChunk * kKeys, kKeys);
    fetch<kChunk, kSlice>(tiles.value, kSliceStride,
                          static_cast<const bfloat16*>(s.value) + at * kChunk * s.dv + column0, s.dv);
    commit_copies();
  };
  // State rows of this lane's sums: row_of(m, h), columns column_of(n) and the next one.
  const auto row_of = [&](int m, int half) { return (warp * kRowTiles + m) * 16 + g + half * 8; };
  const auto column_of = [&](int n) { return n * 8 + 2 * t; };

  float state[kRowTiles][kColumnTiles][4];
  const std::int64_t state_at = bh * kKeys * s.dv + column0;
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto pair = load<2>(s.start + state_at + row_of(m, half) * s.dv + column_of(n));
        state[m][n][2 * half] = pair.v[0];
        state[m][n][2 * half + 1] = pair.v[1];
      }
    }
  }

  fetch_chunk(0);
  for (std::int64_t i = 0; i < s.chunks; ++i) {
    const std::int64_t n_chunk = chunk_at(i), at = n_chunk * all + bh;
    Tiles<kKeys>& tiles = shared.tiles[i % 2];
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          round_pair(shared.state + row_of(m, half) * kSliceStride + column_of(n), state[m][n][2 * half],
                     state[m][n][2 * half + 1]);
        }
      }
    }
    wait_copies<0>();
    __syncthreads();
    if (i + 1 < s.chunks) fetch_chunk(i + 1);
    put<kKeys, kSlice>(static_cast<bfloat16*>(s.entered) + at * kKeys * s.dv + column0, s.dv, shared.state,
                       kSliceStride);

    // corrected = value + read S: sixteen rows a warp.
    float rows[kColumnTiles][4];
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto pair = load<2>(tiles.value + (warp * 16 + g + half * 8) * kSliceStride + column_of(n));
        rows[n][2 * half] = wide(pair.v[0]);
        rows[n][2 * half + 1] = wide(pair.v[1]);
      }
    }
#pragma unroll
    for (int k = 0; k < kKeys; k += 16) {
      const Fragment4 a = load_a(tiles.read, kStride, warp * 16, k);
#pragma unroll
      for (int n = 0; n < kColumnTiles; n += 2) {
        const Fragment4 b = load_b_pair(shared.state, kSliceStride, k, n * 8);
        multiply_add(rows[n], a, b.v[0], b.v[1]);
        multiply_add(rows[n + 1], a, b.v[2], b.v[3]);
      }
    }
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        round_pair(tiles.value + (warp * 16 + g + half * 8) * kSliceStride + column_of(n), rows[n][2 * half],
                   rows[n][2 * half + 1]);
      }
    }
    __syncthreads();
    put<kChunk, kSlice>(static_cast<bfloat16*>(s.corrected) + at * kChunk * s.dv + column0, s.dv, tiles.value,
                        kSliceStride);

    // S <- keep S + (1 - keep) fresh + added + writeᵀ corrected.
    const float keep = s.keep == nullptr ? 1.0f : s.keep[n_chunk * s.batch + batch_row];
    const bool restarts = keep != 1.0f && s.fresh != nullptr;
    const bfloat16* added =
        s.added == nullptr ? nullptr : static_cast<const bfloat16*>(s.added) + at * kKeys * s.dv + column0;
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const std::int64_t place = row_of(m, half) * s.dv + column_of(n);
          float* pair = &state[m][n][2 * half];
          pair[0] *= keep;
          pair[1] *= keep;
          if (restarts) {
            const auto fresh = load<2>(s.fresh + state_at + place);
            pair[0] += (1.0f - keep) * fresh.v[0];
            pair[1] += (1.0f - keep) * fresh.v[1];
          }
          if (added != nullptr) {
            const auto more = load<2>(added + place);
            pair[0] += wide(more.v[0]);
            pair[1] += wide(more.v[1]);
          }
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kChunk; k += 16) {
      Fragment4 a[kRowTiles];
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
        a[m] = load_a_transposed(tiles.write, kStride, k, (warp * kRowTiles + m) * 16);
      }
#pragma unroll
      for (int n = 0; n < kColumnTiles; n += 2) {
        const Fragment4 b = load_b_pair(tiles.value, kSliceStride, k, n * 8);
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
          multiply_add(state[m][n], a[m], b.v[0], b.v[1]);
          multiply_add(state[m][n + 1], a[m], b.v[2], b.v[3]);
        }
      }
    }
    __syncthreads();  // the state's tile and this chunk's tiles are free
  }
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kColumnTiles; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        store(s.end + state_at + row_of(m, half) * s.dv + column_of(n),
              Pack<float, 2>{{state[m][n][2 * half], state[m][n][2 * half + 1]}});
      }
    }
  }
}

template <int kKeys>
void launch(const IngotCudaDeltaScan& s) {
  constexpr int kBytes = sizeof(Shared<kKeys>);
  static const cudaError_t allowed =
      cudaFuncSetAttribute(scan<kKeys>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (allowed != cudaSuccess) throw std::runtime_error(std::string("delta scan: ") + cudaGetErrorString(allowed));
  const auto blocks = static_cast<unsigned>(s.batch * s.heads * (s.dv / kSlice));
  scan<kKeys><<<blocks, kBlock, kBytes, stream_of(s.stream)>>>(s);
  check_launch("delta scan");
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

bool ingot_cuda_delta_scan_fits(std::int64_t chunk, std::int64_t dk, std::int64_t dv) {
  return chunk == kChunk && (dk == 64 || dk == 128) && dv > 0 && dv % kSlice == 0;
}

void ingot_cuda_delta_scan(const IngotCudaDeltaScan& s) {
  if (s.batch * s.heads == 0) return;
  if (s.dk == 64) return launch<64>(s);
  launch<128>(s);
}
}
