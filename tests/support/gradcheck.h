#pragma once
// Gradients against central differences in fp64.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "device/numerics.h"

namespace ingot::testing {

/// A tensor that is perturbed in place, and the buffer into which backward adds its gradient: `WeightLeaf::weight()`
/// and `WeightLeaf::grad()`. The buffer is cleared before use.
struct CheckedParameter {
  std::string name;
  at::Tensor value;
  at::Tensor grad;
};

struct GradCheckOptions {
  int directions = 3;  // random directions for each tensor
  double step = 1e-5;  // length of a step relative to the tensor's root mean square (or to 1 if it is zero)
  double relative = 1e-6;
  std::uint64_t seed = 1;
};

using CheckedFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

/// Compares the gradient of sum_i <f_i(inputs), R_i>, R_i random, with (L(x + h d) - L(x - h d)) / 2h along random
/// directions d, for every floating-point input and every parameter by itself. All floating tensors must be fp64.
/// Non-floating inputs pass through. `f` must be deterministic.
::testing::AssertionResult gradcheck(const CheckedFunction& f, const std::vector<at::Tensor>& inputs,
                                     const std::vector<CheckedParameter>& parameters = {},
                                     const GradCheckOptions& options = {});

using ingot::random_normal;

}  // namespace ingot::testing
