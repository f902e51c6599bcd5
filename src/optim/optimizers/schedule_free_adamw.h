#pragma once
// The update rule of schedule-free AdamW; the formula stands in schedule_free_adamw.cpp.

#include "optim/update_rule.h"

namespace ingot::schedule_free_adamw {

struct ScheduleFreeRule : UpdateRule<2> {
  static constexpr const char* kName = "schedule_free";
  template <class T>
  struct Constants {
    T beta2, beta2_complement;
    T root_bias_correction;  // 1 / sqrt(1 - beta2^t)
    T eps;
    T decay, rate;
    T mix;    // c
    T share;  // 1 - beta1 (1 - c)
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T y, T* state, const Constants<T>& c, T step) {
    T &z = state[0], &v = state[1];
    v = v * c.beta2 + g * g * c.beta2_complement;
    const T u = g / (std::sqrt(v) * c.root_bias_correction + c.eps) + c.decay * y;
    const T moved = c.mix * (y - z) + c.rate * c.share * u;
    z -= c.rate * u;
    return step * moved;
  }
};

}  // namespace ingot::schedule_free_adamw
