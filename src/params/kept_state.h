#pragma once
// What a constraint or a penalty keeps of a parameter from one step to the next.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

/// Saved with the model, under the parameter's name.
struct KeptState {
  std::string name;  // "norm"
  /// For the whole parameter, in master dtype. Where the unit of its owner is less than a column or matrix, ranks may
  /// share the parameter out by rows, and the state with it: then the first axis is that of the parameter.
  std::vector<std::int64_t> shape;
};

/// States of zeros, for the whole parameter.
std::vector<at::Tensor> make_states(const std::vector<KeptState>& specs, const at::TensorOptions& options);

}  // namespace ingot
