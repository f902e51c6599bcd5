#pragma once
// The update rule of ADOPT; the formula stands in adopt.cpp.

#include "optim/update_rule.h"

namespace ingot::adopt {

struct AdoptRule : UpdateRule<2> {
  static constexpr const char* kName = "adopt";
  template <class T>
  struct Constants {
    T beta1_complement, beta2, beta2_complement;
    T eps;
    T limit;  // of the normalised gradient
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T &m = state[0], &v = state[1];
    const T root = std::sqrt(v);
    T normed = g / (root > c.eps ? root : c.eps);
    normed = normed > c.limit ? c.limit : normed;
    normed = normed < -c.limit ? -c.limit : normed;
    m += (normed - m) * c.beta1_complement;
    v = v * c.beta2 + g * g * c.beta2_complement;
    return step * m;
  }
};

}  // namespace ingot::adopt
