#include "optim/grad_norm.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <stdexcept>

#include "device/parallel.h"
#include "optim/kernels/update_kernels.h"

namespace ingot {
namespace {

constexpr std::int64_t kBlock = kOwnedUnit;  // part of the order of additions

}  // namespace

GradNorm::GradNorm(const ParameterStore& store) : store_(store) {
  std::vector<std::size_t> first_of_master;
  std::size_t count = 0;
  for (const Master& master : store.masters()) {
    first_of_master.push_back(count);
    if (!master.trained) continue;
    first_block_.push_back(count);
    count += static_cast<std::size_t>((master.numel + kBlock - 1) / kBlock);
  }
  first_block_.push_back(count);
  for (const Master& part : store.owned()) {
    if (!part.trained) continue;
    if (part.begin % kBlock != 0) throw std::logic_error("a part of '" + part.name + "' begins within a block");
    const auto first = first_of_master[part.index] + static_cast<std::size_t>(part.begin / kBlock);
    for (std::int64_t begin = 0; begin < part.numel; begin += kBlock) {
      blocks_.push_back({&part, begin, std::min(begin + kBlock, part.numel), first + begin / kBlock});
    }
  }
}

double GradNorm::sum_of_squares(const SumOverRanks& sum_over_ranks) const {
  if (!store_.flat_grads().is_cpu()) return sum_on_device(sum_over_ranks);
  auto partial = at::zeros({static_cast<std::int64_t>(first_block_.back())}, at::kDouble);
  auto* values = partial.mutable_data_ptr<double>();
  store_.flat_grads().scalar_type() == at::kDouble ? fill<double>(values) : fill<float>(values);
  if (!store_.owns_all()) sum_over_ranks(partial);
  return sum(values);
}

template <class T>
void GradNorm::fill(double* partial) const {
  parallel_for(0, static_cast<std::int64_t>(blocks_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block& block = blocks_[static_cast<std::size_t>(i)];
      const T* grad = block.part->grad.const_data_ptr<T>();
      partial[block.index] = update_kernels::sum_of_squares(grad + block.begin, block.end - block.begin);
    }
  });
}

double GradNorm::sum(const double* partial) const {
  double total = 0;
  for (std::size_t i = 0; i + 1 < first_block_.size(); ++i) {
    double of_master = 0;
    for (auto block = first_block_[i]; block < first_block_[i + 1]; ++block) of_master += partial[block];
    total += of_master;
  }
  return total;
}

double GradNorm::sum_on_device(const SumOverRanks& sum_over_ranks) const {
  if (store_.owns_all()) {  // one reduction over all: padding and what is not trained are zero
    const double norm = at::linalg_vector_norm(store_.flat_grads(), 2, {}, false, at::kDouble).item<double>();
    return norm * norm;
  }
  std::vector<at::Tensor> grads;
  for (const Master& part : store_.owned()) {
    if (part.trained) grads.push_back(part.grad);
  }
  auto total = at::zeros({1}, at::kDouble);
  if (!grads.empty()) {
    const double norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(grads, 2, at::kDouble))).item<double>();
    total.fill_(norm * norm);
  }
  sum_over_ranks(total);
  return total.item<double>();
}

}  // namespace ingot
