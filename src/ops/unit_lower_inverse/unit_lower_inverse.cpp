#include "ops/unit_lower_inverse/unit_lower_inverse.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/unit_lower_inverse/cuda.h"
#include "ops/unit_lower_inverse/inverse_kernels.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
void invert_as(const at::Tensor& a, const at::Tensor& out) {
  const std::int64_t size = a.size(-1), count = size == 0 ? 0 : a.numel() / (size * size);
  const std::int64_t grain =
      std::max<std::int64_t>(1, 3 * kSerialElements / std::max<std::int64_t>(1, size * size * size));
  parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
    inverse_kernels::invert(a.const_data_ptr<T>(), size * size, size, begin, end, out.data_ptr<T>());
  });
}

at::Tensor inverse(const at::Tensor& a) {
  if (a.is_cuda() && a.scalar_type() == at::kFloat &&
      INGOT_GPU_FUNCTION(ingot_cuda_unit_lower_inverse_fits)(a.size(-1))) {
    const at::Tensor rows = a.contiguous(), out = at::empty_like(rows);
    const std::int64_t size = a.size(-1);
    INGOT_GPU_FUNCTION(ingot_cuda_unit_lower_inverse)
    (rows.const_data_ptr<float>(), rows.numel() / (size * size), size, out.data_ptr<float>(), gpu_stream());
    return out;
  }
  if (!a.is_cpu()) {
    // Reads below the diagonal only and takes ones on it.
    return at::linalg_solve_triangular(a, at::eye(a.size(-1), a.options()).expand_as(a), /*upper=*/false, /*left=*/true,
                                       /*unitriangular=*/true);
  }
  const at::Tensor rows = a.contiguous();
  const at::Tensor out = at::empty_like(rows);
  if (a.scalar_type() == at::kDouble) {
    invert_as<double>(rows, out);
  } else {
    invert_as<float>(rows, out);
  }
  return out;
}

struct InverseFunction : torch::autograd::Function<InverseFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& a) {
    const at::Tensor out = inverse(a);
    ctx->save_for_backward({out});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "unit_lower_inverse has no second derivative");
    const at::Tensor across = ctx->get_saved_variables()[0].transpose(-1, -2);
    return {at::matmul(at::matmul(across, grads[0]), across).tril(-1).neg_()};
  }
};

}  // namespace

at::Tensor unit_lower_inverse(const at::Tensor& a) {
  return at::GradMode::is_enabled() && a.requires_grad() ? InverseFunction::apply(a) : inverse(a);
}

}  // namespace ingot::ops
