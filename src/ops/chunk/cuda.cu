// A thread moves one pack of one row; a few threads sum a row's products.

#include <type_traits>

#include "device/cuda/kernel.cuh"
#include "ops/chunk/cuda.h"

namespace ingot::cuda {
namespace {

using ops::row_kernels::Extent;
using ops::row_kernels::Place;

constexpr int kBlock = 256;

/// A row of [B, N, C, G, R]. Blocks of the grid's x have a chunk of a batch row each, those of its y parts of it, where
/// rows follow one another as they lie in the sequence.
struct Row {
  unsigned batch, chunk, row, group, head;

  __device__ Row(unsigned index, const Extent& e) {
    const auto heads = static_cast<unsigned>(e.heads), groups = static_cast<unsigned>(e.groups);
    const auto chunks = static_cast<unsigned>(e.chunks);
    head = index % heads;
    group = index / heads % groups;
    row = index / heads / groups;
    chunk = blockIdx.x % chunks;
    batch = blockIdx.x / chunks;
  }
  __device__ std::int64_t at(const Place& p) const {
    return batch * p.batch + chunk * p.chunk + row * p.row + group * p.group + head * p.head;
  }
  __device__ bool is_inside(const Extent& e) const { return chunk * e.chunk + row < e.length; }
};

__host__ __device__ std::int64_t rows_of_chunk(const Extent& e) { return e.chunk * e.groups * e.heads; }

/// Its number among all rows.
__device__ std::int64_t number_of(unsigned index, const Extent& e) { return blockIdx.x * rows_of_chunk(e) + index; }

template <class R, class P, int N>
__global__ void __launch_bounds__(kBlock) spread(IngotCudaRows s, const R* rows, Place rows_at, const float* factor,
                                                 P* plain, Place plain_at, P* scaled, Place scaled_at) {
  const auto packs = static_cast<unsigned>(s.extent.width / N);
  const unsigned pack = blockIdx.y * kBlock + threadIdx.x, index = pack / packs, at = pack % packs * N;
  if (index >= rows_of_chunk(s.extent)) return;
  const Row row(index, s.extent);
  Pack<R, N> in;
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
    const float by = factor == nullptr ? 1.0f : factor[number_of(index, s.extent)];
#pragma unroll
    for (int i = 0; i < N; ++i) out.v[i] = narrow<P>(by * wide(in.v[i]));
    store(scaled + row.at(scaled_at) + at, out);
  }
}

template <class R, class P, int N>
__global__ void __launch_bounds__(kBlock) gather(IngotCudaRows s, const P* x, Place x_at, const float* factor,
                                                 const P* y, Place y_at, R* rows, Place rows_at) {
  const auto packs = static_cast<unsigned>(s.extent.width / N);
  const unsigned pack = blockIdx.y * kBlock + threadIdx.x, index = pack / packs, at = pack % packs * N;
  if (index >= rows_of_chunk(s.extent)) return;
  const Row row(index, s.extent);
  if (!row.is_inside(s.extent)) return;
  const float by = factor == nullptr ? 1.0f : factor[number_of(index, s.extent)];
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

/// kLanes threads sum a row's products.
template <class P, int N, int kLanes>
__global__ void __launch_bounds__(kBlock)
    dots(IngotCudaRows s, const P* a, Place a_at, const P* b, Place b_at, float* out) {
  const unsigned index = blockIdx.y * (kBlock / kLanes) + threadIdx.x / kLanes;
  const bool more = index < rows_of_chunk(s.extent);
  float sum = 0;
  if (more) {
    const Row row(index, s.extent);
    const P *left_row = a + row.at(a_at), *right_row = b + row.at(b_at);
    for (std::int64_t at = threadIdx.x % kLanes * N; at < s.extent.width; at += kLanes * N) {
      const auto left = load<N>(left_row + at), right = load<N>(right_row + at);
#pragma unroll
      for (int i = 0; i < N; ++i) sum += wide(left.v[i]) * wide(right.v[i]);
    }
  }
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
  if (more && threadIdx.x % kLanes == 0) out[number_of(index, s.extent)] = sum;
}

/// Whether packs of N elements fit; T is the widest type among them.
template <class T, int N>
bool packs_fit_rows(const IngotCudaRows& s, std::initializer_list<const void*> pointers,
                    std::initializer_list<Place> places) {
  bool fit = packs_fit<T, N>(pointers, {s.extent.width});
  for (const Place& p : places) fit = fit && packs_fit<T, N>({}, {p.batch, p.chunk, p.row, p.group, p.head});
  return fit;
}

/// Calls f.template operator()<R, P, N>() with packs of at most 16 bytes.
template <class F>
void with_shape(const IngotCudaRows& s, std::initializer_list<const void*> pointers,
                std::initializer_list<Place> places, F f) {
  with_type(s.row, [&]<class R>() {
    with_type(s.product, [&]<class P>() {
      using Widest = std::conditional_t<sizeof(R) >= sizeof(P), R, P>;
      constexpr int kPack = 16 / sizeof(Widest);
      if (packs_fit_rows<Widest, kPack>(s, pointers, places)) return f.template operator()<R, P, kPack>();
      f.template operator()<R, P, 1>();
    });
  });
}

/// Blocks for `work` threads in each chunk.
dim3 grid_for(const IngotCudaRows& s, std::int64_t work) {
  return {static_cast<unsigned>(s.batch * s.extent.chunks), blocks_for(work, kBlock)};
}

bool is_empty(const IngotCudaRows& s) { return s.batch * s.extent.chunks * rows_of_chunk(s.extent) == 0; }

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_spread_rows(const IngotCudaRows& s, const void* rows, const Place& rows_at, const float* factor,
                            void* plain, const Place& plain_at, void* scaled, const Place& scaled_at) {
  if (is_empty(s) || s.extent.width == 0) return;
  with_shape(s, {rows, plain, scaled}, {rows_at, plain_at, scaled_at}, [&]<class R, class P, int N>() {
    spread<R, P, N><<<grid_for(s, rows_of_chunk(s.extent) * (s.extent.width / N)), kBlock, 0, stream_of(s.stream)>>>(
        s, static_cast<const R*>(rows), rows_at, factor, static_cast<P*>(plain), plain_at, static_cast<P*>(scaled),
        scaled_at);
  });
  check_launch("spread_rows");
}

void ingot_cuda_gather_rows(const IngotCudaRows& s, const void* x, const Place& x_at, const float* factor,
                            const void* y, const Place& y_at, void* rows, const Place& rows_at) {
  if (is_empty(s) || s.extent.width == 0) return;
  with_shape(s, {x, y, rows}, {x_at, y_at, rows_at}, [&]<class R, class P, int N>() {
    gather<R, P, N><<<grid_for(s, rows_of_chunk(s.extent) * (s.extent.width / N)), kBlock, 0, stream_of(s.stream)>>>(
        s, static_cast<const P*>(x), x_at, factor, static_cast<const P*>(y), y_at, static_cast<R*>(rows), rows_at);
  });
  check_launch("gather_rows");
}

void ingot_cuda_dot_rows(const IngotCudaRows& s, const void* a, const Place& a_at, const void* b, const Place& b_at,
                         float* out) {
  if (is_empty(s)) return;
  with_shape(s, {a, b}, {a_at, b_at}, [&]<class R, class P, int N>() {
    const auto launch = [&]<int kLanes>() {
      dots<P, N, kLanes><<<grid_for(s, rows_of_chunk(s.extent) * kLanes), kBlock, 0, stream_of(s.stream)>>>(
          s, static_cast<const P*>(a), a_at, static_cast<const P*>(b), b_at, out);
    };
    if (s.extent.width <= 8 * N) return launch.template operator()<8>();
    if (s.extent.width <= 16 * N) return launch.template operator()<16>();
    launch.template operator()<32>();
  });
  check_launch("dot_rows");
}
}
