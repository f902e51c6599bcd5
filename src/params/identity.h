#pragma once
// The identity as a parametrization: `plain`, and what a parametrization leaves parameters with that it is not defined
// for.

#include <ATen/core/Tensor.h>

#include <vector>

#include "params/parametrization.h"

namespace ingot {

/// W = w, dw = dW.
class IdentityParametrization final : public Parametrization {
 public:
  bool applies(const ParamInfo&) const override { return true; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override { return {{"", info.shape}}; }
  Granularity granularity(const ParamInfo&) const override { return Granularity::kElement; }

  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override {
    weight.copy_(masters.at(0));
  }
  void pull_back(const std::vector<at::Tensor>&, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override {
    master_grads.at(0).copy_(weight_grad);
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override {
    masters.at(0).copy_(weight);
  }
  bool is_identity() const override { return true; }
};

}  // namespace ingot
