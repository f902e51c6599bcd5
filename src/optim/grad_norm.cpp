#include "optim/grad_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "device/gpu.h"
#include "device/parallel.h"
#include "optim/kernels/cuda.h"
#include "optim/kernels/square_kernels.h"

namespace ingot {
namespace {

constexpr std::int64_t kBlock = kOwnedUnit;  // part of the order of additions

/// The sum of squares of fp32 tensors on a GPU, as an fp64 scalar there.
at::Tensor gpu_squares(const std::vector<at::Tensor>& tensors) {
  auto* const partials = INGOT_GPU_FUNCTION(ingot_cuda_square_partials);
  std::int64_t count = 0;
  for (const at::Tensor& x : tensors) count += partials(x.numel());
  const at::Tensor parts = at::empty({count}, tensors.front().options().dtype(at::kDouble));
  double* next = parts.data_ptr<double>();
  for (const at::Tensor& x : tensors) {
    INGOT_GPU_FUNCTION(ingot_cuda_squares)(x.const_data_ptr<float>(), x.numel(), next, gpu_stream());
    next += partials(x.numel());
  }
  return parts.sum();
}

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
  const auto by_master = squares_by_master(sum_over_ranks);
  return std::accumulate(by_master.begin(), by_master.end(), 0.0);
}

std::vector<double> GradNorm::squares_by_master(const SumOverRanks& sum_over_ranks) const {
  if (!store_.flat_grads().is_cpu()) return sums_on_device(sum_over_ranks);
  auto partial = at::zeros({static_cast<std::int64_t>(first_block_.back())}, at::kDouble);
  auto* values = partial.mutable_data_ptr<double>();
  store_.flat_grads().scalar_type() == at::kDouble ? fill<double>(values) : fill<float>(values);
  if (!store_.owns_all()) sum_over_ranks(partial);
  std::vector<double> sums;
  for (std::size_t i = 0; i + 1 < first_block_.size(); ++i) {
    double of_master = 0;
    for (auto block = first_block_[i]; block < first_block_[i + 1]; ++block) of_master += values[block];
    sums.push_back(of_master);
  }
  return sums;
}

template <class T>
void GradNorm::fill(double* partial) const {
  parallel_for(0, static_cast<std::int64_t>(blocks_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block& block = blocks_[static_cast<std::size_t>(i)];
      const T* grad = block.part->grad.const_data_ptr<T>();
      partial[block.index] = square_kernels::sum_of_squares(grad + block.begin, block.end - block.begin);
    }
  });
}

double GradNorm::sum_on_device(const SumOverRanks& sum_over_ranks) const {
  std::vector<at::Tensor> grads;
  if (store_.owns_all()) {  // one reduction over all: padding and what is not trained are zero
    grads.push_back(store_.flat_grads());
  } else {
    for (const Master& part : store_.owned()) {
      if (part.trained) grads.push_back(part.grad);
    }
  }
  const double own = grads.empty() ? 0 : gpu_squares(grads).item<double>();
  if (store_.owns_all()) return own;
  auto total = at::full({1}, own, at::kDouble);
  sum_over_ranks(total);
  return total.item<double>();
}

std::vector<double> GradNorm::sums_on_device(const SumOverRanks& sum_over_ranks) const {
  std::vector<std::size_t> place_of(store_.masters().size(), 0);  // among those that are trained
  std::size_t count = 0;
  for (const Master& master : store_.masters()) {
    place_of[master.index] = count;
    if (master.trained) ++count;
  }
  auto sums = at::zeros({static_cast<std::int64_t>(count)}, store_.flat_grads().options().dtype(at::kDouble));
  for (const Master& part : store_.owned()) {
    if (part.trained) sums[static_cast<std::int64_t>(place_of[part.index])].copy_(gpu_squares({part.grad}));
  }
  auto all = sums.cpu();
  if (!store_.owns_all()) sum_over_ranks(all);
  const auto* values = all.const_data_ptr<double>();
  return {values, values + count};
}

}  // namespace ingot
