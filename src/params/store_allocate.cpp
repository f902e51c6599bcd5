// ParameterStore: flat buffers, leaves of autograd, start values.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>

#include "base/random.h"
#include "device/parallel.h"
#include "params/store_impl.h"

namespace ingot {

using params_detail::Declared;
using params_detail::LeafKind;
using params_detail::product;

namespace {

at::Tensor slice(const at::Tensor& flat, std::int64_t offset, const std::vector<std::int64_t>& shape) {
  return flat.narrow(0, offset, product(shape)).view(shape);
}

}  // namespace

void ParameterStore::Impl::check_allocated(const char* what) const {
  if (!allocated) throw std::logic_error(std::string(what) + " needs an allocated store");
}

void ParameterStore::allocate() {
  Impl& impl = *impl_;
  if (!impl.laid_out || impl.allocated) throw std::logic_error("allocate follows layout, once");
  const auto zeros = [&](std::int64_t n, at::ScalarType dtype) {
    return at::zeros({n}, at::TensorOptions().dtype(dtype).device(impl.options.device));
  };
  impl.flat_masters = zeros(impl.stored_numel, impl.options.master_dtype);
  impl.flat_grads = zeros(impl.master_numel, impl.options.master_dtype);
  impl.flat_low = zeros(impl.low_numel, impl.options.compute_dtype);
  impl.flat_high = zeros(impl.high_numel, impl.options.master_dtype);
  impl.flat_weight_grads = zeros(impl.grad_numel, impl.options.master_dtype);
  impl.make_masters();
  impl.make_leaves();
  impl.make_owned();
  impl.make_buffers(accumulator_numel());
  impl.allocated = true;
}

bool ParameterStore::allocated() const { return impl_->allocated; }
const at::Tensor& ParameterStore::flat_masters() const { return impl_->flat_masters; }
const at::Tensor& ParameterStore::flat_grads() const { return impl_->flat_grads; }
const at::Tensor& ParameterStore::flat_weight_grads() const { return impl_->flat_weight_grads; }
const at::Tensor& ParameterStore::flat_accumulators() const { return impl_->flat_accumulators; }

void ParameterStore::Impl::make_masters() {
  for (Master& master : masters) {
    const auto local = local_offset(master.offset);
    if (local >= 0 && local_offset(master.offset + master.numel - 1) >= 0) {
      master.value = slice(flat_masters, local, master.shape);
    }
    if (master.trained) master.grad = slice(flat_grads, master.offset, master.shape);
  }
  for (Master& part : owned) {
    part.value = slice(flat_masters, local_offset(part.offset), part.shape);
    if (part.trained) part.grad = slice(flat_grads, part.offset, part.shape);
  }
}

/// What the calls of a step work on.
void ParameterStore::Impl::make_owned() {
  std::vector<const Master*> part_of(masters.size(), nullptr);
  for (const Master& part : owned) part_of[part.index] = &part;
  for (Declared& param : params) {
    const Master* first = part_of[param.first_master];
    if (first == nullptr) continue;
    for (std::size_t i = 0; i < param.num_masters; ++i) {
      param.values.push_back(part_of[param.first_master + i]->value);
      param.grads.push_back(part_of[param.first_master + i]->grad);
    }
    const auto& leaf = *param.leaf;
    auto shape = param.info.shape;
    std::int64_t begin = 0;
    if (param.parametrization->is_identity()) {
      shape = first->shape;
      begin = first->begin;
    }
    begin += param.first_row * params_detail::row_numel(leaf.shape);
    param.weight = slice(leaf.weight.detach().flatten(), begin, shape);
    param.weight_grad = slice(leaf.grad.flatten(), begin, shape);
    for (auto& constrained : param.constraints) constrained.states = make_owned_states(param, constrained.specs);
    for (auto& chosen : param.penalties) chosen.states = make_owned_states(param, chosen.specs);
  }
}

void ParameterStore::Impl::make_leaves() {
  for (auto& leaf : leaves) {
    at::Tensor weight;
    if (leaf.kind == LeafKind::kMaster) {
      weight = slice(flat_masters, local_offset(leaf.master_offset), leaf.shape);
    } else {
      const bool is_high = leaf.kind == LeafKind::kMaterialised && leaf.dtype == options.master_dtype;
      weight = slice(is_high ? flat_high : flat_low, leaf.weight_offset, leaf.shape);
    }
    leaf.grad = leaf.kind == LeafKind::kMaterialised ? slice(flat_weight_grads, leaf.grad_offset, leaf.shape)
                                                     : slice(flat_grads, leaf.master_offset, leaf.shape);
    // `detach` shares the version counter with the flat buffer: a backward over a graph from before an update is
    // caught.
    leaf.weight = weight.detach().requires_grad_();
    // Several uses within one backward are then summed in master dtype, in place, in the flat gradients.
    leaf.weight.set_grad_dtype(options.master_dtype);
    leaf.weight.mutable_grad() = leaf.grad;
  }
}

std::int64_t ParameterStore::accumulator_numel() const {
  std::int64_t numel = 0;
  for (const auto& buffer : impl_->buffers) numel += product(buffer.spec.accumulator_shape);
  return numel;
}

void ParameterStore::Impl::make_buffers(std::int64_t accumulator_numel) {
  const auto tensor_options = at::TensorOptions().dtype(options.master_dtype).device(options.device);
  flat_accumulators = at::zeros({accumulator_numel}, tensor_options);
  std::int64_t offset = 0;
  for (auto& buffer : buffers) {
    buffer.value = at::full(buffer.spec.shape, buffer.spec.initial, tensor_options);
    buffer.accumulator = slice(flat_accumulators, offset, buffer.spec.accumulator_shape);
    offset += product(buffer.spec.accumulator_shape);
  }
}

void ParameterStore::Impl::fill(Declared& param, std::uint64_t seed) {
  at::NoGradGuard no_grad;  // thread-local
  const bool is_plain = param.parametrization->is_identity();
  const bool is_whole = is_plain && param.values[0].sizes() == at::IntArrayRef(param.info.shape);
  const bool is_in_place = is_whole && options.device.is_cpu();
  at::Tensor weight =
      is_in_place ? param.values[0] : at::empty(param.info.shape, at::TensorOptions().dtype(options.master_dtype));
  RandomStream random(seed, param.init != nullptr ? param.init->random_key(param.info) : param.info.name);
  if (param.init != nullptr) {
    param.init->fill(weight, param.info, random);
    if (param.init_factor != 1) weight.mul_(param.init_factor);
  } else {
    param.info.fixed_init(weight, param.info, random);
  }
  if (param.forward != 1) weight.mul_(param.forward);
  if (is_in_place) return;
  if (is_plain && !is_whole) {
    const Master* part = &*std::find_if(owned.begin(), owned.end(),
                                        [&](const Master& master) { return master.index == param.first_master; });
    weight = slice(weight.flatten(), part->begin, part->shape);
  }
  param.parametrization->assign(weight.to(options.device), param.values);
}

void ParameterStore::initialise(std::uint64_t seed) {
  impl_->check_allocated("initialise");
  // Largest first, each thread takes the next: a big embedding does not leave the others waiting.
  std::vector<Declared*> order;
  for (Declared& param : impl_->params) {
    if (param.is_owned()) order.push_back(&param);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Declared* a, const Declared* b) { return a->info.numel() > b->info.numel(); });
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  parallel_for(0, static_cast<std::int64_t>(order.size()), 1, [&](std::int64_t, std::int64_t) {
    for (std::size_t i = next++; i < order.size(); i = next++) {
      try {
        impl_->fill(*order[i], seed);
      } catch (...) {
        const std::lock_guard lock(mutex);
        error = std::current_exception();
      }
    }
  });
  if (error) std::rethrow_exception(error);
  begin_constraints();
  materialise();
}

}  // namespace ingot
