#pragma once
// Parametrizations that say what the weight is and leave its gradient to autograd.

#include <vector>

#include "params/parametrization.h"

namespace ingot {

/// The forward map is written once. Each step runs it once without history, for the compute weight, and once more under
/// autograd, when the gradients of all micro-batches and ranks are there; what that pass keeps is freed at its end.
class AutogradParametrization : public Parametrization {
 public:
  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const final;
  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const final;

 protected:
  /// f(masters), in their dtype, by differentiable operations that change none of them. No gradient is asked for state.
  virtual at::Tensor weight_of(const std::vector<at::Tensor>& masters) const = 0;
};

}  // namespace ingot
