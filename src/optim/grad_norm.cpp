#include "optim/grad_norm.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>

#include "device/parallel.h"
#include "optim/kernels/update_kernels.h"

namespace ingot {
namespace {

constexpr std::int64_t kBlock = 1 << 14;  // elements; part of the order of additions

}  // namespace

GradNorm::GradNorm(std::vector<const Master*> masters) : masters_(std::move(masters)) {
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    for (std::int64_t begin = 0; begin < masters_[i]->numel; begin += kBlock) {
      blocks_.push_back({i, begin, std::min(begin + kBlock, masters_[i]->numel)});
    }
  }
}

double GradNorm::sum_of_squares() const {
  if (masters_.empty()) return 0;
  const at::Tensor& grad = masters_.front()->grad;
  if (!grad.is_cpu()) return sum_on_device();
  return grad.scalar_type() == at::kDouble ? sum_blocks<double>() : sum_blocks<float>();
}

template <class T>
double GradNorm::sum_blocks() const {
  std::vector<double> partial(blocks_.size());
  const auto count = static_cast<std::int64_t>(blocks_.size());
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block& block = blocks_[i];
      const T* grad = masters_[block.master]->grad.const_data_ptr<T>();
      partial[i] = update_kernels::sum_of_squares(grad + block.begin, block.end - block.begin);
    }
  });
  double total = 0;
  for (std::size_t i = 0; i < blocks_.size();) {
    double sum = 0;
    const std::size_t master = blocks_[i].master;
    for (; i < blocks_.size() && blocks_[i].master == master; ++i) sum += partial[i];
    total += sum;
  }
  return total;
}

double GradNorm::sum_on_device() const {
  // One reduction over the stretch of the flat gradients; padding and what is not trained are zero there.
  const Master &first = *masters_.front(), &last = *masters_.back();
  const auto stretch = at::as_strided(first.grad, {last.offset + last.numel - first.offset}, {1});
  const double norm = at::linalg_vector_norm(stretch, 2, {}, false, at::kDouble).item<double>();
  return norm * norm;
}

}  // namespace ingot
