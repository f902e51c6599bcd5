#pragma once
// The loop of an elementwise rule on the CPU. Only the files that the build makes of rules include it; they are
// compiled as kernels are, so that every instruction set gives the same bits.

#include <utility>

#include "device/simd.h"
#include "optim/update_rule.h"

namespace ingot {
namespace update_loops {

template <class T, std::size_t>
using State = T* __restrict;

// Factors and constants are taken by value: the compiler then knows that the stores do not change them.
template <class Rule, bool kInPlace, class T, std::size_t... I>
INGOT_INLINE void run(std::index_sequence<I...>, T* __restrict w, const T* __restrict g, T* __restrict out,
                      std::int64_t n, const UpdateFactors<T> f, const typename Rule::template Constants<T> c,
                      State<T, I>... states) {
  for (std::int64_t i = 0; i < n; ++i) {
    T state[Rule::kStates + 1] = {states[i]...};
    const T displacement = Rule::template displacement<T>(g[i] * f.grad_scale + f.l2 * w[i], w[i], state, c, f.step);
    ((states[i] = state[I]), ...);
    if constexpr (kInPlace) {
      w[i] = w[i] * f.keep - displacement;
    } else {
      out[i] = displacement;
    }
  }
}

template <class Rule, class T, std::size_t... I>
INGOT_INLINE void run(std::index_sequence<I...> indices, const UpdateArrays<T, Rule::kStates>& a, std::int64_t n,
                      const UpdateFactors<T>& f, const typename Rule::template Constants<T>& c) {
  if (a.out == nullptr) {
    run<Rule, true, T>(indices, a.w, a.g, a.out, n, f, c, a.states[I]...);
  } else {
    run<Rule, false, T>(indices, a.w, a.g, a.out, n, f, c, a.states[I]...);
  }
}

template <std::size_t>
using RoundedState = std::uint16_t* __restrict;

template <class Rule, bool kInPlace, std::size_t... I>
INGOT_INLINE void run_rounded(std::index_sequence<I...>, float* __restrict w, const float* __restrict g,
                              float* __restrict out, std::int64_t n, const UpdateFactors<float> f,
                              const typename Rule::template Constants<float> c, const std::uint32_t first,
                              const std::uint32_t low, const std::uint32_t high, RoundedState<I>... states) {
  for (std::int64_t i = 0; i < n; ++i) {
    float state[Rule::kStates + 1] = {from_bfloat16(states[i])...};
    const float displacement =
        Rule::template displacement<float>(g[i] * f.grad_scale + f.l2 * w[i], w[i], state, c, f.step);
    const std::uint32_t index = first + static_cast<std::uint32_t>(i);
    ((states[i] = to_bfloat16(state[I], rounding_noise(index, low, high, static_cast<std::uint32_t>(I)))), ...);
    if constexpr (kInPlace) {
      w[i] = w[i] * f.keep - displacement;
    } else {
      out[i] = displacement;
    }
  }
}

template <class Rule, std::size_t... I>
INGOT_INLINE void run_rounded(std::index_sequence<I...> indices, const RoundedArrays<Rule::kStates>& a, std::int64_t n,
                              const UpdateFactors<float>& f, const typename Rule::template Constants<float>& c) {
  const auto low = static_cast<std::uint32_t>(a.key), high = static_cast<std::uint32_t>(a.key >> 32);
  if (a.out == nullptr) {
    run_rounded<Rule, true>(indices, a.w, a.g, a.out, n, f, c, a.first, low, high, a.states[I]...);
  } else {
    run_rounded<Rule, false>(indices, a.w, a.g, a.out, n, f, c, a.first, low, high, a.states[I]...);
  }
}

}  // namespace update_loops

template <class Rule, class T>
void update_on_cpu(const UpdateArrays<T, Rule::kStates>& arrays, std::int64_t n, const UpdateFactors<T>& factors,
                   const typename Rule::template Constants<T>& constants) {
  INGOT_MULTIVERSION(
      update_loops::run<Rule, T>(std::make_index_sequence<Rule::kStates>(), arrays, n, factors, constants));
}

template <class Rule>
void update_rounded_on_cpu(const RoundedArrays<Rule::kStates>& arrays, std::int64_t n,
                           const UpdateFactors<float>& factors,
                           const typename Rule::template Constants<float>& constants) {
  if constexpr (Rule::kStates > 0 && Rule::kStatesMayBeBfloat16) {
    INGOT_MULTIVERSION(
        update_loops::run_rounded<Rule>(std::make_index_sequence<Rule::kStates>(), arrays, n, factors, constants));
  }
}

/// Defines `update_on_cpu` and `update_rounded_on_cpu` of a rule.
#define INGOT_UPDATE_LOOPS(Rule)                                                                                \
  template void ingot::update_rounded_on_cpu<Rule>(const RoundedArrays<Rule::kStates>&, std::int64_t,           \
                                                   const UpdateFactors<float>&, const Rule::Constants<float>&); \
  template void ingot::update_on_cpu<Rule, float>(const UpdateArrays<float, Rule::kStates>&, std::int64_t,      \
                                                  const UpdateFactors<float>&, const Rule::Constants<float>&);  \
  template void ingot::update_on_cpu<Rule, double>(const UpdateArrays<double, Rule::kStates>&, std::int64_t,    \
                                                   const UpdateFactors<double>&, const Rule::Constants<double>&);

}  // namespace ingot
