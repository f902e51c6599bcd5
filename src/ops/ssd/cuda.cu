#include "device/cuda/kernel.cuh"
#include "ops/ssd/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kChunk = 64;

/// Two neighbouring elements of the states of a group, which belong to one head.
struct StatePair {
  std::int64_t batch, state_at, stride;  // of this element in [B, G, dk, width]; from chunk to chunk
  std::int64_t first, head;              // of this element in the first chunk of [B, N, G, dk, width]
  bool more;

  template <class S>
  __device__ explicit StatePair(const S& s) {
    const std::int64_t size = s.dk * s.width, pairs = size / 2;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
    more = index < s.batch * s.groups * pairs;
    const std::int64_t at = index % pairs * 2, group = index / pairs % s.groups, dv = s.width * s.groups / s.heads;
    batch = index / pairs / s.groups;
    state_at = (batch * s.groups + group) * size + at;
    stride = s.groups * size;
    first = batch * s.chunks * stride + group * size + at;
    head = group * (s.heads / s.groups) + at % s.width / dv;
  }
};

/// A thread carries a pair through all chunks.
__global__ void __launch_bounds__(kBlock) scan(IngotCudaSsdScan s) {
  const StatePair pair(s);
  if (!pair.more) return;
  const bfloat16* added = static_cast<const bfloat16*>(s.added);
  bfloat16* entered = static_cast<bfloat16*>(s.entered);
  Pack<float, 2> state = load<2>(s.start + pair.state_at), fresh{};
  if (s.fresh != nullptr) fresh = load<2>(s.fresh + pair.state_at);
#pragma unroll 4
  for (std::int64_t i = 0; i < s.chunks; ++i) {
    const std::int64_t n = s.reverse ? s.chunks - 1 - i : i;
    const std::int64_t place = pair.first + n * pair.stride;
    const std::int64_t factor = (pair.batch * s.chunks + n) * s.heads + pair.head;
    const auto more = load<2>(added + place);
    const float keep = s.keep[factor], restart = s.restart == nullptr ? 0.0f : s.restart[factor];
    Pack<bfloat16, 2> before;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      before.v[j] = narrow<bfloat16>(state.v[j]);
      state.v[j] = keep * state.v[j] + wide(more.v[j]) + restart * fresh.v[j];
    }
    store(entered + place, before);
  }
  store(s.end + pair.state_at, state);
}

__global__ void __launch_bounds__(kBlock) weighted(IngotCudaWeightedStates s) {
  const StatePair pair(s);
  if (!pair.more) return;
  const bfloat16* states = static_cast<const bfloat16*>(s.states);
  Pack<float, 2> sum{};
#pragma unroll 4
  for (std::int64_t n = 0; n < s.chunks; ++n) {
    const auto state = load<2>(states + pair.first + n * pair.stride);
    const float weight = s.weight[(pair.batch * s.chunks + n) * s.heads + pair.head];
#pragma unroll
    for (int j = 0; j < 2; ++j) sum.v[j] += weight * wide(state.v[j]);
  }
  store(s.sum + pair.state_at, sum);
}

/// exp(b_i - b_j) of a visible pair, else 0.
__device__ inline float decay_of(const IngotCudaDecay& d, const float* b, const bool* visible, int i, int j) {
  const bool seen = visible == nullptr ? j <= i : visible[i * kChunk + j];
  return seen ? __expf(b[i] - b[j]) : 0.0f;
}

__device__ inline const bool* visible_of(const IngotCudaDecay& d, std::int64_t block) {
  return d.visible == nullptr ? nullptr : d.visible + block / d.heads * kChunk * kChunk;
}

__global__ void __launch_bounds__(kBlock) decayed(IngotCudaDecay d, const bfloat16* pairs, bfloat16* scores) {
  constexpr int kSize = kChunk * kChunk;
  const std::int64_t block = blockIdx.x;
  const float* b = d.b + block * kChunk;
  const bool* visible = visible_of(d, block);
  for (int at = threadIdx.x * 2; at < kSize; at += kBlock * 2) {
    const int i = at / kChunk, j = at % kChunk;
    const auto pair = load<2>(pairs + block / d.per_group * kSize + at);
    Pack<bfloat16, 2> out;
#pragma unroll
    for (int k = 0; k < 2; ++k) out.v[k] = narrow<bfloat16>(wide(pair.v[k]) * decay_of(d, b, visible, i, j + k));
    store(scores + block * kSize + at, out);
  }
}

/// A block has the R matrices of a group one after the other: their gradients of the shared pairs are summed in
/// registers. A warp has a row at a time, so that a lane always has the same two columns.
constexpr int kWarps = kBlock / 32;
constexpr int kRowsOfWarp = kChunk / kWarps;

__global__ void __launch_bounds__(kBlock)
    decayed_backward(IngotCudaDecay d, const bfloat16* dscores, const bfloat16* scores, bfloat16* dpairs, float* db) {
  __shared__ float row_sums[kChunk], column_sums[kWarps][kChunk];
  const int warp = threadIdx.x / 32, j = threadIdx.x % 32 * 2;
  float sums[kRowsOfWarp][2] = {};
  for (std::int64_t r = 0; r < d.per_group; ++r) {
    const std::int64_t block = blockIdx.x * d.per_group + r;
    const float* b = d.b + block * kChunk;
    const bool* visible = visible_of(d, block);
    float columns[2] = {};
#pragma unroll
    for (int p = 0; p < kRowsOfWarp; ++p) {
      const int i = p * kWarps + warp;
      const std::int64_t at = block * kChunk * kChunk + i * kChunk + j;
      const auto dscore = load<2>(dscores + at), score = load<2>(scores + at);
      float along = 0;
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const float gradient = wide(dscore.v[k]);
        sums[p][k] += gradient * decay_of(d, b, visible, i, j + k);
        columns[k] += gradient * wide(score.v[k]);
        along += gradient * wide(score.v[k]);
      }
      along = warp_sum(along);
      if (j == 0) row_sums[i] = along;
    }
    column_sums[warp][j] = columns[0];
    column_sums[warp][j + 1] = columns[1];
    __syncthreads();
    if (threadIdx.x < kChunk) {
      float sum = row_sums[threadIdx.x];
      for (int w = 0; w < kWarps; ++w) sum -= column_sums[w][threadIdx.x];
      db[block * kChunk + threadIdx.x] = sum;
    }
    __syncthreads();
  }
#pragma unroll
  for (int p = 0; p < kRowsOfWarp; ++p) {
    store(dpairs + (static_cast<std::int64_t>(blockIdx.x) * kChunk + p * kWarps + warp) * kChunk + j,
          Pack<bfloat16, 2>{{narrow<bfloat16>(sums[p][0]), narrow<bfloat16>(sums[p][1])}});
  }
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_weighted_states(const IngotCudaWeightedStates& s) {
  const std::int64_t threads = s.batch * s.groups * s.dk * s.width / 2;
  if (threads == 0) return;
  weighted<<<blocks_for(threads, kBlock), kBlock, 0, stream_of(s.stream)>>>(s);
  check_launch("weighted states");
}

bool ingot_cuda_decay_fits(std::int64_t chunk) { return chunk == kChunk; }

void ingot_cuda_ssd_scan(const IngotCudaSsdScan& s) {
  const std::int64_t threads = s.batch * s.groups * s.dk * s.width / 2;
  if (threads == 0) return;
  scan<<<blocks_for(threads, kBlock), kBlock, 0, stream_of(s.stream)>>>(s);
  check_launch("ssd scan");
}

void ingot_cuda_decayed_scores(const IngotCudaDecay& d, const void* pairs, void* scores) {
  if (d.blocks == 0) return;
  decayed<<<static_cast<unsigned>(d.blocks), kBlock, 0, stream_of(d.stream)>>>(d, static_cast<const bfloat16*>(pairs),
                                                                               static_cast<bfloat16*>(scores));
  check_launch("decayed scores");
}

void ingot_cuda_decayed_scores_backward(const IngotCudaDecay& d, const void* dscores, const void* scores, void* dpairs,
                                        float* db) {
  if (d.blocks == 0) return;
  decayed_backward<<<static_cast<unsigned>(d.blocks / d.per_group), kBlock, 0, stream_of(d.stream)>>>(
      d, static_cast<const bfloat16*>(dscores), static_cast<const bfloat16*>(scores), static_cast<bfloat16*>(dpairs),
      db);
  check_launch("decayed scores backward");
}
}
