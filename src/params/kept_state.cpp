#include "params/kept_state.h"

#include <ATen/ops/zeros.h>

namespace ingot {

std::vector<at::Tensor> make_states(const std::vector<KeptState>& specs, const at::TensorOptions& options) {
  std::vector<at::Tensor> states;
  for (const auto& spec : specs) states.push_back(at::zeros(spec.shape, options));
  return states;
}

}  // namespace ingot
