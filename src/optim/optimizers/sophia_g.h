#pragma once
// The update rule of Sophia-G; the formula stands in sophia_g.cpp.

#include "optim/update_rule.h"

namespace ingot::sophia_g {

struct SophiaRule : UpdateRule<2> {
  static constexpr const char* kName = "sophia_g";
  template <class T>
  struct Constants {
    T beta1, beta1_complement;
    T rho;  // multiplies the curvature
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T& m = state[0];
    m = m * c.beta1 + g * c.beta1_complement;
    T ratio = m / (c.rho * state[1] + static_cast<T>(1e-15));
    ratio = ratio > 1 ? 1 : ratio;
    ratio = ratio < -1 ? -1 : ratio;
    return step * ratio;
  }
};

}  // namespace ingot::sophia_g
