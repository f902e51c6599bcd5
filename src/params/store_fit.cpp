// ParameterStore: start values that are fitted to the outputs on a batch.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/var.h>

#include <algorithm>

#include "params/store_impl.h"

namespace ingot {

using params_detail::Declared;

bool WeightLeaf::fit(const at::Tensor& product) const {
  using Fit = params_detail::Leaf::Fit;
  if (leaf_->fit == Fit::kOff) return false;
  const std::int64_t tokens = product.numel() / product.size(-1);
  auto& leaf = *leaf_->parts.front()->leaf;
  if (leaf.fit == Fit::kCounts) leaf.fit_tokens = std::max(leaf.fit_tokens, tokens);
  if (leaf.fit == Fit::kCounts || tokens < leaf.fit_tokens) return false;
  const at::NoGradGuard no_grad;
  bool any = false;
  for (Declared* part : leaf_->parts) {
    if (!part->parametrization->fits_outputs()) continue;
    const std::int64_t rows = part->info.shape[0];
    const at::Tensor outputs =
        product.detach().narrow(-1, part->first_row, rows).flatten(0, -2).to(leaf_->grad.scalar_type());
    // Salimans & Kingma's code: variance over the batch, 1e-10 below the root.
    const at::Tensor std = at::sqrt(outputs.var(at::IntArrayRef{0}, /*unbiased=*/false) + 1e-10);
    leaf_->weight.detach().narrow(0, part->first_row, rows).div_(std.unsqueeze(1));
    if (part->is_owned()) part->parametrization->fit_outputs(std, part->values);
    any = true;
  }
  return any;
}

bool ParameterStore::fits_outputs() const {
  return std::any_of(impl_->params.begin(), impl_->params.end(),
                     [](const Declared& param) { return param.parametrization->fits_outputs(); });
}

void ParameterStore::fit_outputs(const std::function<void()>& forward) {
  impl_->check_allocated("fit_outputs");
  using Fit = params_detail::Leaf::Fit;
  const auto set = [this](Fit fit) {
    for (auto& leaf : impl_->leaves) leaf.fit = fit;
  };
  set(Fit::kCounts);
  forward();
  set(Fit::kActs);
  forward();
  set(Fit::kOff);
}

}  // namespace ingot
