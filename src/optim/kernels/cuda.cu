#include <algorithm>

#include "device/cuda/kernel.cuh"
#include "optim/kernels/cuda.h"

namespace ingot::cuda {
namespace {

using update_kernels::Adam;
using update_kernels::Sgd;

constexpr int kBlock = 256;
constexpr int kPack = 4;

template <int N>
__global__ void __launch_bounds__(kBlock)
    adam(float* w, const float* g, float* m, float* v, std::int64_t n, Adam<float> c) {
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x) * N;
  if (at >= n) return;
  auto weight = load<N>(w + at), first = load<N>(m + at), second = load<N>(v + at);
  const auto gradient = load<N>(g + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float grad = gradient.v[i] * c.grad_scale + c.l2 * weight.v[i];
    first.v[i] += (grad - first.v[i]) * c.beta1_complement;
    second.v[i] = second.v[i] * c.beta2 + grad * grad * c.beta2_complement;
    weight.v[i] =
        weight.v[i] * c.keep - c.step_size * first.v[i] / (sqrtf(second.v[i]) * c.root_bias_correction + c.eps);
  }
  store(w + at, weight);
  store(m + at, first);
  store(v + at, second);
}

template <int N>
__global__ void __launch_bounds__(kBlock) sgd(float* w, const float* g, float* b, std::int64_t n, Sgd<float> c) {
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x) * N;
  if (at >= n) return;
  auto weight = load<N>(w + at);
  const auto gradient = load<N>(g + at);
  Pack<float, N> momentum{};
  if (b != nullptr) momentum = load<N>(b + at);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float grad = gradient.v[i] * c.grad_scale + c.l2 * weight.v[i];
    float step = grad;
    if (b != nullptr) {
      momentum.v[i] = c.momentum * momentum.v[i] + c.gradient_share * grad;
      step = c.nesterov ? grad + c.momentum * momentum.v[i] : momentum.v[i];
    }
    weight.v[i] -= c.lr * step;
  }
  store(w + at, weight);
  if (b != nullptr) store(b + at, momentum);
}

/// parts[block]: the sum of x² over what the block's threads walk through.
template <int N>
__global__ void __launch_bounds__(kBlock) squares(const float* x, std::int64_t n, double* parts) {
  __shared__ double sums[kBlock];
  double sum = 0;
  for (std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x) * N; at < n;
       at += static_cast<std::int64_t>(gridDim.x) * kBlock * N) {
    const auto pack = load<N>(x + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += static_cast<double>(pack.v[i]) * pack.v[i];
  }
  sums[threadIdx.x] = sum;
  for (int half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = sums[0];
}

/// Calls f.template operator()<N>(elements per thread).
template <class F>
void with_pack(std::initializer_list<const void*> pointers, std::int64_t n, F f) {
  if (packs_fit<float, kPack>(pointers, {n})) {
    f.template operator()<kPack>();
  } else {
    f.template operator()<1>();
  }
}

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_adam(float* w, const float* g, float* m, float* v, std::int64_t n, const Adam<float>& constants,
                     void* stream) {
  if (n == 0) return;
  with_pack({w, g, m, v}, n, [&]<int N>() {
    adam<N><<<blocks_for(n / N, kBlock), kBlock, 0, stream_of(stream)>>>(w, g, m, v, n, constants);
  });
  check_launch("adam");
}

std::int64_t ingot_cuda_square_partials(std::int64_t n) {
  constexpr std::int64_t kMost = 132 * 16;
  return std::clamp<std::int64_t>(n / (kBlock * kPack), 1, kMost);
}

void ingot_cuda_squares(const float* x, std::int64_t n, double* parts, void* stream) {
  with_pack({x}, n, [&]<int N>() {
    squares<N><<<static_cast<unsigned>(ingot_cuda_square_partials(n)), kBlock, 0, stream_of(stream)>>>(x, n, parts);
  });
  check_launch("sum of squares");
}

void ingot_cuda_sgd(float* w, const float* g, float* b, std::int64_t n, const Sgd<float>& constants, void* stream) {
  if (n == 0) return;
  with_pack({w, g, b}, n, [&]<int N>() {
    sgd<N><<<blocks_for(n / N, kBlock), kBlock, 0, stream_of(stream)>>>(w, g, b, n, constants);
  });
  check_launch("sgd");
}
}
