#include "params/autograd_parametrization.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace ingot {

void AutogradParametrization::materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const {
  const at::NoGradGuard no_grad;
  weight.copy_(weight_of(masters));
}

void AutogradParametrization::pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                                        std::vector<at::Tensor>& master_grads) const {
  std::vector<at::Tensor> leaves, trained, grads;
  {
    const at::AutoGradMode with_grad(true);
    for (std::size_t i = 0; i < masters.size(); ++i) {
      leaves.push_back(masters[i].detach());
      if (master_grads.at(i).defined()) trained.push_back(leaves[i].requires_grad_());
    }
    grads = torch::autograd::grad({weight_of(leaves)}, trained, {weight_grad}, /*retain_graph=*/std::nullopt,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  const at::NoGradGuard no_grad;
  auto grad = grads.begin();
  for (auto& out : master_grads) {
    if (!out.defined()) continue;
    if (grad->defined()) {
      out.copy_(*grad);
    } else {
      out.zero_();
    }
    ++grad;
  }
}

}  // namespace ingot
