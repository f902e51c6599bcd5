#pragma once
// The update rule of Signum; the formula stands in signum.cpp.

#include "optim/update_rule.h"

namespace ingot::signum {

struct SignumRule : UpdateRule<1> {
  static constexpr const char* kName = "signum";
  template <class T>
  struct Constants {
    T momentum, complement;
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    state[0] = c.momentum * state[0] + c.complement * g;
    return step * sign(state[0]);
  }
};

}  // namespace ingot::signum
