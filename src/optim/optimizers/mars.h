#pragma once
// The update rule of MARS; the formula stands in mars.cpp.

#include "optim/update_rule.h"

namespace ingot::mars {

struct MarsRule : UpdateRule<3> {
  static constexpr const char* kName = "mars";
  template <class T>
  struct Constants {
    T correction;  // gamma · beta1 / (1 - beta1)
    T clip;        // multiplies the corrected gradient
    T beta1_complement, beta2, beta2_complement;
    T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
    T eps;
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &m = state[0], &v = state[1], &previous = state[2];
    const T corrected = (g + c.correction * (g - previous)) * c.clip;
    previous = g;
    m += (corrected - m) * c.beta1_complement;
    v = v * c.beta2 + corrected * corrected * c.beta2_complement;
    return step * m / (std::sqrt(v) * c.root_bias_correction + c.eps);
  }
};

}  // namespace ingot::mars
