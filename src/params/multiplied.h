#pragma once
// A parametrization whose weight is multiplied by a number: the forward factors of scalings.

#include <ATen/TensorOperators.h>

#include <memory>
#include <utility>
#include <vector>

#include "params/parametrization.h"

namespace ingot {

/// W = factor · f(masters)
class Multiplied final : public Parametrization {
 public:
  Multiplied(std::shared_ptr<const Parametrization> inner, double factor) : inner_(std::move(inner)), factor_(factor) {}
  bool applies(const ParamInfo& info) const override { return inner_->applies(info); }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override { return inner_->masters(info); }
  Granularity granularity(const ParamInfo& info) const override { return inner_->granularity(info); }

  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override {
    if (weight.scalar_type() == masters.front().scalar_type()) {
      inner_->materialise(masters, weight);
      weight.mul_(factor_);
    } else {  // rounded once
      at::Tensor wide = weight.to(masters.front().scalar_type());
      inner_->materialise(masters, wide);
      weight.copy_(wide.mul_(factor_));
    }
  }
  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override {
    inner_->pull_back(masters, weight_grad * factor_, master_grads);
  }
  bool has_exact_gradient() const override { return inner_->has_exact_gradient(); }
  void advance(std::vector<at::Tensor>& masters) const override { inner_->advance(masters); }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override {
    inner_->assign(weight / factor_, masters);
  }
  bool can_assign() const override { return inner_->can_assign(); }
  bool fits_outputs() const override { return inner_->fits_outputs(); }
  void fit_outputs(const at::Tensor& std, std::vector<at::Tensor>& masters) const override {
    inner_->fit_outputs(std, masters);
  }

 private:
  std::shared_ptr<const Parametrization> inner_;
  double factor_;
};

}  // namespace ingot
