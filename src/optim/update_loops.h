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

}  // namespace update_loops

template <class Rule, class T>
void update_on_cpu(const UpdateArrays<T, Rule::kStates>& arrays, std::int64_t n, const UpdateFactors<T>& factors,
                   const typename Rule::template Constants<T>& constants) {
  INGOT_MULTIVERSION(
      update_loops::run<Rule, T>(std::make_index_sequence<Rule::kStates>(), arrays, n, factors, constants));
}

/// Defines `update_on_cpu` of a rule.
#define INGOT_UPDATE_LOOPS(Rule)                                                                               \
  template void ingot::update_on_cpu<Rule, float>(const UpdateArrays<float, Rule::kStates>&, std::int64_t,     \
                                                  const UpdateFactors<float>&, const Rule::Constants<float>&); \
  template void ingot::update_on_cpu<Rule, double>(const UpdateArrays<double, Rule::kStates>&, std::int64_t,   \
                                                   const UpdateFactors<double>&, const Rule::Constants<double>&);

}  // namespace ingot
