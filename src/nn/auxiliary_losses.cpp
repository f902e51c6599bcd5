#include "nn/auxiliary_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

namespace ingot {
namespace {

/// The identity in x. Backward: dx as it comes; dsum = weight.
struct AttachFunction : torch::autograd::Function<AttachFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& sum,
                            double weight) {
    context->saved_data["weight"] = weight;
    context->saved_data["sum"] = sum.detach();
    return x;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& dx) {
    const double weight = context->saved_data["weight"].toDouble();
    return {dx[0], at::full_like(context->saved_data["sum"].toTensor(), weight), {}};
  }
};

}  // namespace

AuxiliaryLosses::AuxiliaryLosses(std::int64_t terms, at::Device device)
    : sums_(at::zeros({terms}, at::TensorOptions().dtype(at::kDouble).device(device))) {}

void AuxiliaryLosses::tell_scores(const std::string& scope, const at::Tensor& largest) {
  at::Tensor& known = scores_[scope];
  known = known.defined() ? at::maximum(known, largest) : largest;
}

at::Tensor AuxiliaryLosses::attach(const at::Tensor& x, const LossTerm& term, double weight, const at::Tensor& sum,
                                   bool counts) {
  if (sum.dim() != 0) throw std::logic_error("an auxiliary loss is a scalar");
  if (counts) sums_.select(0, term.index).add_(sum.detach(), weight);
  return AttachFunction::apply(x, sum, weight);
}

}  // namespace ingot
