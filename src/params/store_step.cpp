// ParameterStore: what happens once per training step.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <stdexcept>

#include "params/store_impl.h"

namespace ingot {

void ParameterStore::zero_grads() {
  impl_->check_allocated("zero_grads");
  at::NoGradGuard no_grad;
  impl_->flat_grads.zero_();
  if (impl_->grad_numel > 0) impl_->flat_weight_grads.zero_();
  impl_->flat_accumulators.zero_();
}

void ParameterStore::pull_back() {
  impl_->check_allocated("pull_back");
  at::NoGradGuard no_grad;
  for (auto& leaf : impl_->leaves) {
    if (leaf.kind != params_detail::LeafKind::kMaterialised) continue;
    for (auto* part : leaf.parts) part->parametrization->pull_back(part->values, part->weight_grad, part->grads);
  }
}

void ParameterStore::constrain() {
  impl_->check_allocated("constrain");
  at::NoGradGuard no_grad;
  for (auto& param : impl_->params) {
    if (param.constraints.empty()) continue;
    const bool is_plain = param.parametrization->is_identity();
    at::Tensor weight = param.values[0];
    if (!is_plain) {
      weight = at::empty(param.info.shape, impl_->flat_masters.options());
      param.parametrization->materialise(param.values, weight);
    }
    for (const auto& constraint : param.constraints) constraint->apply(weight, param.info);
    if (!is_plain) param.parametrization->assign(weight, param.values);
  }
}

void ParameterStore::advance() {
  impl_->check_allocated("advance");
  at::NoGradGuard no_grad;
  for (auto& param : impl_->params) param.parametrization->advance(param.values);
}

void ParameterStore::materialise() {
  impl_->check_allocated("materialise");
  at::NoGradGuard no_grad;
  for (const auto& run : impl_->cast_runs) {
    impl_->flat_low.narrow(0, run.weight_offset, run.numel)
        .copy_(impl_->flat_masters.narrow(0, run.master_offset, run.numel));
  }
  for (auto& leaf : impl_->leaves) {
    if (leaf.kind != params_detail::LeafKind::kMaterialised) continue;
    for (auto* part : leaf.parts) part->parametrization->materialise(part->values, part->weight);
  }
}

void ParameterStore::exchange_masters(const at::Tensor& flat) {
  impl_->check_allocated("exchange_masters");
  if (flat.sizes() != impl_->flat_masters.sizes() || flat.scalar_type() != impl_->flat_masters.scalar_type()) {
    throw std::logic_error("exchange_masters: the tensor is not laid out as the masters");
  }
  at::NoGradGuard no_grad;
  constexpr std::int64_t kChunk = 1 << 20;  // bounds the temporary copy
  for (std::int64_t begin = 0; begin < flat.numel(); begin += kChunk) {
    const std::int64_t n = std::min(kChunk, flat.numel() - begin);
    at::Tensor ours = impl_->flat_masters.narrow(0, begin, n), theirs = flat.narrow(0, begin, n);
    const at::Tensor kept = ours.clone();
    ours.copy_(theirs);
    theirs.copy_(kept);
  }
  materialise();
}

void ParameterStore::apply_buffers() {
  impl_->check_allocated("apply_buffers");
  at::NoGradGuard no_grad;
  for (auto& buffer : impl_->buffers) buffer.spec.update(buffer.value, buffer.accumulator);
  impl_->flat_accumulators.zero_();
}

std::vector<std::pair<std::string, at::Tensor>> ParameterStore::state() const {
  impl_->check_allocated("state");
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const Master& master : impl_->masters) out.emplace_back(master.name, master.value);
  for (const auto& buffer : impl_->buffers) out.emplace_back(buffer.name, buffer.value);
  return out;
}

}  // namespace ingot
