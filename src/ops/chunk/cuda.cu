// A thread moves one pack of one row; a warp sums a row's products.

#include "device/cuda/kernel.cuh"
#include "ops/chunk/cuda.h"

namespace ingot::cuda {
namespace {

using ops::row_kernels::Extent;
using ops::row_kernels::Place;

constexpr int kBlock = 256;

/// A row of [B, N, C, G, R]; rows follow one another as they lie in the sequence.
struct Row {
  std::int64_t batch, chunk, row, group, head;

  __device__ Row(std::int64_t index, const Extent& e) {
    head = index % e.heads;
    index /= e.heads;
    group = index % e.groups;
    index /= e.groups;
    row = index % e.chunk;
    index /= e.chunk;
    chunk = index % e.chunks;
    batch = index / e.chunks;
  }
  __device__ std::int64_t at(const Place& p) const {
    return batch * p.batch + chunk * p.chunk + row * p.row + group * p.group + head * p.head;
  }
  __device__ bool is_inside(const Extent& e) const { return chunk * e.chunk + row < e.length; }
};

__host__ __device__ std::int64_t rows_of(const IngotCudaRows& s) {
  const Extent& e = s.extent;
  return s.batch * e.chunks * e.chunk * e.groups * e.heads;
}

template <class R, class P, int N>
__global__ void __launch_bounds__(kBlock) spread(IngotCudaRows s, const R* rows, Place rows_at, const float* factor,
                                                 P* plain, Place plain_at, P* scaled, Place scaled_at) {
  const std::int64_t packs = s.extent.width / N;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= rows_of(s) * packs) return;
  const std::int64_t at = index % packs * N;
  const Row row(index / packs, s.extent);
  Pack<R, N> in{};
  if (row.is_inside(s.extent)) {
    in = load<N>(rows + row.at(rows_at) + at);
  } else {
    for (int i = 0; i < N; ++i) in.v[i] = narrow<R>(0.0f);
  }
  Pack<P, N> out;
  if (plain != nullptr) {
#pragma unroll
    for (int i = 0; i < N; ++i) out.v[i] = narrow<P>(wide(in.v[i]));
    store(plain + row.at(plain_at) + at, out);
  }
  if (scaled != nullptr) {
    const float by = factor == nullptr ? 1.0f : factor[index / packs];
#pragma unroll
    for (int i = 0; i < N; ++i) out.v[i] = narrow<P>(by * wide(in.v[i]));
    store(scaled + row.at(scaled_at) + at, out);
  }
}

template <class R, class P, int N>
__global__ void __launch_bounds__(kBlock) gather(IngotCudaRows s, const P* x, Place x_at, const float* factor,
                                                 const P* y, Place y_at, R* rows, Place rows_at) {
  const std::int64_t packs = s.extent.width / N;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (index >= rows_of(s) * packs) return;
  const std::int64_t at = index % packs * N;
  const Row row(index / packs, s.extent);
  if (!row.is_inside(s.extent)) return;
  const float by = factor == nullptr ? 1.0f : factor[index / packs];
  const auto left = load<N>(x + row.at(x_at) + at);
  Pack<P, N> right{};
  if (y != nullptr) right = load<N>(y + row.at(y_at) + at);
  Pack<R, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    out.v[i] = narrow<R>(by * wide(left.v[i]) + (y == nullptr ? 0.0f : wide(right.v[i])));
  }
  store(rows + row.at(rows_at) + at, out);
}

template <class P, int N>
__global__ void __launch_bounds__(kBlock)
    dots(IngotCudaRows s, const P* a, Place a_at, const P* b, Place b_at, float* out) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * (kBlock / 32) + threadIdx.x / 32;
  if (index >= rows_of(s)) return;
  const Row row(index, s.extent);
  float sum = 0;
  for (std::int64_t at = threadIdx.x % 32 * N; at < s.extent.width; at += 32 * N) {
    const auto left = load<N>(a + row.at(a_at) + at), right = load<N>(b + row.at(b_at) + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += wide(left.v[i]) * wide(right.v[i]);
  }
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) out[index] = sum;
}

/// Packs of four elements where everything is aligned, single ones else.
bool are_packed(const IngotCudaRows& s, std::initializer_list<const void*> pointers,
                std::initializer_list<Place> places) {
  bool fit = packs_fit<float, 4>(pointers, {s.extent.width});
  for (const Place& p : places) fit = fit && packs_fit<float, 4>({}, {p.batch, p.chunk, p.row, p.group, p.head});
  return fit;
}

/// Calls f.template operator()<R, P, N>().
template <class F>
void with_shape(const IngotCudaRows& s, bool packed, F f) {
  with_type(s.row, [&]<class R>() {
    with_type(s.product, [&]<class P>() {
      if (packed) return f.template operator()<R, P, 4>();
      f.template operator()<R, P, 1>();
    });
  });
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_spread_rows(const IngotCudaRows& s, const void* rows, const Place& rows_at, const float* factor,
                            void* plain, const Place& plain_at, void* scaled, const Place& scaled_at) {
  if (rows_of(s) * s.extent.width == 0) return;
  with_shape(s, are_packed(s, {rows, plain, scaled}, {rows_at, plain_at, scaled_at}), [&]<class R, class P, int N>() {
    spread<R, P, N><<<blocks_for(rows_of(s) * (s.extent.width / N), kBlock), kBlock, 0, stream_of(s.stream)>>>(
        s, static_cast<const R*>(rows), rows_at, factor, static_cast<P*>(plain), plain_at, static_cast<P*>(scaled),
        scaled_at);
  });
  check_launch("spread_rows");
}

void ingot_cuda_gather_rows(const IngotCudaRows& s, const void* x, const Place& x_at, const float* factor,
                            const void* y, const Place& y_at, void* rows, const Place& rows_at) {
  if (rows_of(s) * s.extent.width == 0) return;
  with_shape(s, are_packed(s, {x, y, rows}, {x_at, y_at, rows_at}), [&]<class R, class P, int N>() {
    gather<R, P, N><<<blocks_for(rows_of(s) * (s.extent.width / N), kBlock), kBlock, 0, stream_of(s.stream)>>>(
        s, static_cast<const P*>(x), x_at, factor, static_cast<const P*>(y), y_at, static_cast<R*>(rows), rows_at);
  });
  check_launch("gather_rows");
}

void ingot_cuda_dot_rows(const IngotCudaRows& s, const void* a, const Place& a_at, const void* b, const Place& b_at,
                         float* out) {
  if (rows_of(s) == 0) return;
  with_shape(s, are_packed(s, {a, b}, {a_at, b_at}), [&]<class R, class P, int N>() {
    dots<P, N><<<blocks_for(rows_of(s), kBlock / 32), kBlock, 0, stream_of(s.stream)>>>(
        s, static_cast<const P*>(a), a_at, static_cast<const P*>(b), b_at, out);
  });
  check_launch("dot_rows");
}
}
