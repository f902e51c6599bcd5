#pragma once
// The update rule of AdamP, before its projection; the formula stands in adamp.cpp.

#include "optim/update_rule.h"

namespace ingot::adamp {

struct AdampRule : UpdateRule<2> {
  static constexpr const char* kName = "adamp";
  template <class T>
  struct Constants {
    T beta1_complement, beta2, beta2_complement;
    T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
    T eps;
    T gradient, average;  // what the numerator has of each: 0, 1; with nesterov 1 - beta1, beta1
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &m = state[0], &v = state[1];
    m += (g - m) * c.beta1_complement;
    v = v * c.beta2 + g * g * c.beta2_complement;
    return step * (c.average * m + c.gradient * g) / (std::sqrt(v) * c.root_bias_correction + c.eps);
  }
};

}  // namespace ingot::adamp
