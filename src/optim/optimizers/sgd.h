#pragma once
// The update rules of stochastic gradient descent; the formula stands in sgd.cpp.

#include "optim/update_rule.h"

namespace ingot::sgd {

struct PlainRule : UpdateRule<0> {
  static constexpr const char* kName = "sgd";
  template <class T>
  struct Constants {};

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* /*state*/, const Constants<T>& /*c*/, T step) {
    return step * g;
  }
};

struct MomentumRule : UpdateRule<1> {
  static constexpr const char* kName = "sgd_momentum";
  template <class T>
  struct Constants {
    T momentum;
    T gradient_share;    // 1 - dampening, 1 on the first step
    T gradient, buffer;  // what the direction has of each: 0, 1; with nesterov 1, momentum
  };

  template <class T>
  static INGOT_RULE T displacement(T g, T /*w*/, T* state, const Constants<T>& c, T step) {
    T& b = state[0];
    b = c.momentum * b + c.gradient_share * g;
    return step * (c.gradient * g + c.buffer * b);
  }
};

}  // namespace ingot::sgd
