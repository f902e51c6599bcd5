// ParameterStore: what happens once per training step.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "params/store_impl.h"

namespace ingot {

void ParameterStore::zero_grads() {
  impl_->check_allocated("zero_grads");
  at::NoGradGuard no_grad;
  impl_->flat_grads.zero_();
  if (impl_->grad_numel > 0) impl_->flat_weight_grads.zero_();
  impl_->flat_accumulators.zero_();
}

at::Tensor params_detail::effective_weight(const Declared& param, const at::TensorOptions& options) {
  if (param.parametrization->is_identity()) return param.values[0];
  const at::NoGradGuard no_grad;
  at::Tensor weight = at::empty(param.info.shape, options);
  param.parametrization->materialise(param.values, weight);
  return weight;
}

at::Tensor ParameterStore::penalise(double scale) {
  impl_->check_allocated("penalise");
  const auto count = static_cast<std::int64_t>(impl_->penalties.size());
  at::Tensor values = at::zeros({count}, impl_->flat_masters.options().dtype(at::kDouble));
  for (auto& param : impl_->params) {
    if (param.penalties.empty() || !param.is_owned()) continue;
    const at::Tensor weight = params_detail::effective_weight(param, impl_->flat_masters.options());
    for (auto& chosen : param.penalties) {
      const auto& penalty = chosen.penalty;
      const at::AutoGradMode record(true);
      const at::Tensor leaf = weight.detach().requires_grad_();
      const at::Tensor value = penalty->value(leaf, {param.info, chosen.states});
      const at::Tensor gradient = torch::autograd::grad({value}, {leaf})[0];
      at::NoGradGuard no_grad;
      values.select(0, chosen.index).add_(value.detach(), penalty->weight());
      param.weight_grad.add_(gradient, scale * penalty->weight());
    }
  }
  return values;
}

void ParameterStore::pull_back() {
  impl_->check_allocated("pull_back");
  at::NoGradGuard no_grad;
  for (auto& leaf : impl_->leaves) {
    if (leaf.kind != params_detail::LeafKind::kMaterialised) continue;
    for (auto* part : leaf.parts) {
      if (part->is_owned()) part->parametrization->pull_back(part->values, part->weight_grad, part->grads);
    }
  }
}

void ParameterStore::advance() {
  impl_->check_allocated("advance");
  at::NoGradGuard no_grad;
  for (auto& param : impl_->params) {
    if (!param.is_owned()) continue;
    param.parametrization->advance(param.values);
    for (auto& chosen : param.penalties) {
      if (!chosen.penalty->moves_states()) continue;
      const at::Tensor weight = params_detail::effective_weight(param, impl_->flat_masters.options());
      chosen.penalty->advance(weight, {param.info, chosen.states});
    }
  }
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
    for (auto* part : leaf.parts) {
      if (part->is_owned()) part->parametrization->materialise(part->values, part->weight);
    }
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

void ParameterStore::apply_buffers(std::int64_t number) {
  impl_->check_allocated("apply_buffers");
  at::NoGradGuard no_grad;
  for (auto& buffer : impl_->buffers) buffer.spec.update(buffer.value, buffer.accumulator, number);
  impl_->flat_accumulators.zero_();
}

StateTensors ParameterStore::state() const {
  impl_->check_allocated("state");
  StateTensors out;
  auto part = impl_->owned.begin();
  for (const Master& master : impl_->masters) {
    const bool is_owned = part != impl_->owned.end() && part->index == master.index;
    out.emplace_back(master.name, is_owned ? part->value : at::Tensor(), master.shape, is_owned ? part->begin : 0);
    if (is_owned) ++part;
  }
  for (auto& state : constraint_state()) out.push_back(std::move(state));
  for (const auto& buffer : impl_->buffers) {
    out.emplace_back(buffer.name, impl_->owns_buffers ? buffer.value : at::Tensor(), buffer.spec.shape, 0);
  }
  return out;
}

std::vector<at::Tensor> ParameterStore::buffers() const {
  impl_->check_allocated("buffers");
  std::vector<at::Tensor> out;
  for (const auto& buffer : impl_->buffers) out.push_back(buffer.value);
  return out;
}

}  // namespace ingot
