#pragma once
// The update rule of Prodigy; the formula stands in prodigy.cpp.

#include "optim/update_rule.h"

namespace ingot::prodigy {

struct ProdigyRule : UpdateRule<2> {
  static constexpr const char* kName = "prodigy";
  template <class T>
  struct Constants {
    T beta1, gradient;  // m = beta1·m + gradient·g, gradient: d·(1 - beta1)
    T beta2, square;    // v = beta2·v + square·g², square: d²·(1 - beta2)
    T eps;              // times the new d
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &m = state[0], &v = state[1];
    m = m * c.beta1 + g * c.gradient;
    v = v * c.beta2 + g * c.square * g;
    const T root = std::sqrt(v) + c.eps;
    return step * m / root;
  }
};

}  // namespace ingot::prodigy
