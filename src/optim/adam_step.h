#pragma once
// What Adam's rule needs for one update, for all optimizers made of it.

#include <cmath>

#include "optim/elementwise.h"
#include "optim/optimizers/adamw.h"

namespace ingot {

/// 1 - β^t: the weights of an average of t values that began at 0 add up to this.
inline double bias_correction(double beta, const UpdateContext& context) {
  return 1 - std::pow(beta, static_cast<double>(context.update));
}

inline RuleStep<adamw::AdamRule> adam_step(double beta1, double beta2, double eps, const UpdateContext& context) {
  return {{1 - beta1, beta2, 1 - beta2, 1 / std::sqrt(bias_correction(beta2, context)), eps},
          bias_correction(beta1, context)};
}

}  // namespace ingot
