#pragma once
// The update rule of LaProp; the formula stands in laprop.cpp.

#include "optim/update_rule.h"

namespace ingot::laprop {

struct LapropRule : UpdateRule<2> {
  static constexpr const char* kName = "laprop";
  template <class T>
  struct Constants {
    T beta1_complement, beta2, beta2_complement;
    T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
    T eps;
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &m = state[0], &v = state[1];
    v = v * c.beta2 + g * g * c.beta2_complement;
    const T normed = g / (std::sqrt(v) * c.root_bias_correction + c.eps);
    m += (normed - m) * c.beta1_complement;
    return step * m;
  }
};

}  // namespace ingot::laprop
