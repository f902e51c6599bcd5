#pragma once
// The update rule of Lion; the formula stands in lion.cpp.

#include "optim/update_rule.h"

namespace ingot::lion {

struct LionRule : UpdateRule<1> {
  static constexpr const char* kName = "lion";
  template <class T>
  struct Constants {
    T beta1, beta1_complement, beta2, beta2_complement;
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    const T u = c.beta1 * state[0] + c.beta1_complement * g;
    state[0] = c.beta2 * state[0] + c.beta2_complement * g;
    return step * sign(u);
  }
};

}  // namespace ingot::lion
