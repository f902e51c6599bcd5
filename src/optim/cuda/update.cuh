#pragma once
// The CUDA kernel of an elementwise rule. The files that the build makes of rules include it.

#include "device/cuda/kernel.cuh"
#include "optim/update_rule.h"

namespace ingot::cuda {

inline constexpr int kUpdateBlock = 256;
inline constexpr int kUpdatePack = 4;

template <class Rule, int N>
__global__ void __launch_bounds__(kUpdateBlock)
    update(UpdateArrays<float, Rule::kStates> a, std::int64_t n, UpdateFactors<float> f,
           typename Rule::template Constants<float> c) {
  const std::int64_t at = (static_cast<std::int64_t>(blockIdx.x) * kUpdateBlock + threadIdx.x) * N;
  if (at >= n) return;
  auto weight = load<N>(a.w + at);
  const auto gradient = load<N>(a.g + at);
  Pack<float, N> states[Rule::kStates + 1];
#pragma unroll
  for (int k = 0; k < Rule::kStates; ++k) states[k] = load<N>(a.states[k] + at);
  Pack<float, N> moved;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    float state[Rule::kStates + 1];
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) state[k] = states[k].v[i];
    const float step = a.block_steps == nullptr ? f.step : f.step * a.block_steps[(at + i) / a.block_length];
    moved.v[i] = Rule::template displacement<float>(gradient.v[i] * f.grad_scale + f.l2 * weight.v[i], weight.v[i],
                                                    state, c, step);
    weight.v[i] = weight.v[i] * f.keep - moved.v[i];
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) states[k].v[i] = state[k];
  }
  store(a.out == nullptr ? a.w + at : a.out + at, a.out == nullptr ? weight : moved);
#pragma unroll
  for (int k = 0; k < Rule::kStates; ++k) store(a.states[k] + at, states[k]);
}

template <class Rule>
void launch_update(const UpdateArrays<float, Rule::kStates>& a, std::int64_t n, const UpdateFactors<float>& factors,
                   const typename Rule::template Constants<float>& constants, void* stream) {
  if (n == 0) return;
  bool fits = packs_fit<float, kUpdatePack>({a.w, a.g, a.out}, {n});
  for (const float* state : a.states) fits = fits && packs_fit<float, kUpdatePack>({state}, {n});
  if (fits) {
    update<Rule, kUpdatePack>
        <<<blocks_for(n / kUpdatePack, kUpdateBlock), kUpdateBlock, 0, stream_of(stream)>>>(a, n, factors, constants);
  } else {
    update<Rule, 1><<<blocks_for(n, kUpdateBlock), kUpdateBlock, 0, stream_of(stream)>>>(a, n, factors, constants);
  }
  check_launch(Rule::kName);
}

/// Exports the kernel of a rule as `ingot_cuda_update_<name>`, name: its kName.
#define INGOT_CUDA_UPDATE(Rule, name)                                                                               \
  extern "C" void ingot_cuda_update_##name(const ingot::UpdateArrays<float, Rule::kStates>& arrays, std::int64_t n, \
                                           const ingot::UpdateFactors<float>& factors,                              \
                                           const Rule::Constants<float>& constants, void* stream) {                 \
    ingot::cuda::launch_update<Rule>(arrays, n, factors, constants, stream);                                        \
  }

}  // namespace ingot::cuda
