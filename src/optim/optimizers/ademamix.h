#pragma once
// The update rule of AdEMAMix; the formula stands in ademamix.cpp.

#include "optim/update_rule.h"

namespace ingot::ademamix {

struct AdemamixRule : UpdateRule<3> {
  static constexpr const char* kName = "ademamix";
  template <class T>
  struct Constants {
    T beta1_complement, beta2, beta2_complement, beta3_complement;
    T bias_correction;       // 1 / (1 - beta1^t)
    T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
    T eps, alpha;
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &fast = state[0], &slow = state[1], &v = state[2];
    fast += (g - fast) * c.beta1_complement;
    slow += (g - slow) * c.beta3_complement;
    v = v * c.beta2 + g * g * c.beta2_complement;
    return step * (fast * c.bias_correction + c.alpha * slow) / (std::sqrt(v) * c.root_bias_correction + c.eps);
  }
};

}  // namespace ingot::ademamix
