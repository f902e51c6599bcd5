// E [n, D] = W[ids]        dW[ids[i]] += dE[i]

#include "ops/embedding/embedding.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <stdexcept>

#include "device/parallel.h"
#include "device/simd.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Threads take columns, not rows: equal ids then need no care, and each sum has one order.
template <class T, class A>
void add_rows(const std::int64_t* ids, std::int64_t n, const T* dy, std::int64_t width, A* sum) {
  constexpr std::int64_t kColumns = 16;  // a cache line of fp32
  const std::int64_t blocks = (width + kColumns - 1) / kColumns;
  const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(1, n * kColumns));
  parallel_for(0, blocks, grain, [=](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = first * kColumns, end = std::min(width, last * kColumns);
    for (std::int64_t i = 0; i < n; ++i) {
      const T* from = dy + i * width;
      A* to = sum + ids[i] * width;
      for (std::int64_t c = begin; c < end; ++c) to[c] += simd::wide(from[c]);
    }
  });
}

void add_rows(const at::Tensor& ids, const at::Tensor& dy, at::Tensor& sum) {
  const at::Tensor rows = dy.reshape({-1, dy.size(-1)}).contiguous(), flat = ids.reshape(-1).contiguous();
  const bool has_kernel =
      has_cpu_kernel(rows) && sum.is_contiguous() && sum.scalar_type() == wide_type(rows.scalar_type());
  if (!has_kernel) {
    sum.index_add_(0, flat, rows.to(sum.scalar_type()));
    return;
  }
  with_kernel_types(rows.scalar_type(), [&]<class T, class A>() {
    add_rows(flat.const_data_ptr<std::int64_t>(), flat.numel(), raw<const T>(rows), rows.size(1), raw<A>(sum));
  });
}

at::Tensor look_up(const at::Tensor& ids, const at::Tensor& weight) {
  auto shape = ids.sizes().vec();
  shape.push_back(weight.size(1));
  return weight.index_select(0, ids.reshape(-1)).view(shape);
}

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& ids, const at::Tensor& weight,
                            const at::Tensor& weight_grad) {
    context->save_for_backward({ids});
    context->saved_data["weight_grad"] = weight_grad;
    return look_up(ids, weight);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    if (at::GradMode::is_enabled()) throw std::logic_error("embedding has no gradient of its gradient");
    at::Tensor sum = context->saved_data["weight_grad"].toTensor();
    add_rows(context->get_saved_variables()[0], grads[0], sum);
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, const at::Tensor& weight_grad) {
  if (!at::GradMode::is_enabled() || !weight.requires_grad()) return look_up(ids, weight);
  return EmbeddingFunction::apply(ids, weight, weight_grad);
}

}  // namespace ingot::ops
