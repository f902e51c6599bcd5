#pragma once
// Operations on a GPU against their plain forms in fp64 on the CPU: values and gradients.

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::testing {

using Tensors = std::vector<at::Tensor>;
using Op = std::function<at::Tensor(const Tensors&)>;

/// fp32 and bf16.
extern const std::vector<at::ScalarType> kGpuTypes;

struct Input {
  at::Tensor value;         // fp64 on the CPU; rounded to the type under test for both sides
  bool stays_wide = false;  // fp32 whatever the type under test: gains, convolutions
};

/// Runs `op` on the GPU in each type and `reference` on the CPU in fp64, with the gradients of sum(y w) for a fixed w,
/// and expects equal results. `terms`: length of the longest sum; `operations`: how many follow one another.
void expect_alike(const Op& op, const Op& reference, const std::vector<Input>& inputs, std::int64_t terms,
                  std::int64_t operations = 3);

}  // namespace ingot::testing
