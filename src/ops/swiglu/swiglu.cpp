#include "ops/swiglu/swiglu.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/swiglu/cpu.h"
#include "ops/swiglu/cuda.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::int64_t grain(std::int64_t n) { return std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(n, 1)); }

/// x contiguous.
at::Tensor forward(const at::Tensor& x) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  const std::int64_t n = shape.back() /= 2;
  const at::Tensor y = at::empty(shape, x.options());
  const std::int64_t rows = n == 0 ? 0 : y.numel() / n;
  if (x.is_cuda()) {
    INGOT_GPU_FUNCTION(ingot_cuda_swiglu_forward)
    (gpu_type(x), x.data_ptr(), rows, n, y.data_ptr(), gpu_stream());
    return y;
  }
  with_kernel_types(x.scalar_type(), [&]<class T, class A>() {
    parallel_for(0, rows, grain(n),
                 [&](std::int64_t b, std::int64_t e) { swiglu_cpu::forward(raw<T>(x), n, b, e, raw<T>(y)); });
  });
  return y;
}

struct SwigluFunction : torch::autograd::Function<SwigluFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return ops::forward(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "swiglu has no second derivative");
    const at::Tensor x = ctx->get_saved_variables()[0];
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor dx = at::empty_like(x);
    const std::int64_t n = dy.size(-1);
    const std::int64_t rows = n == 0 ? 0 : dy.numel() / n;
    if (x.is_cuda()) {
      INGOT_GPU_FUNCTION(ingot_cuda_swiglu_backward)
      (gpu_type(x), x.data_ptr(), dy.data_ptr(), rows, n, dx.data_ptr(), gpu_stream());
      return {dx};
    }
    with_kernel_types(x.scalar_type(), [&]<class T, class A>() {
      parallel_for(0, rows, grain(n), [&](std::int64_t b, std::int64_t e) {
        swiglu_cpu::backward(raw<T>(x), raw<T>(dy), n, b, e, raw<T>(dx));
      });
    });
    return {dx};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& x) {
  TORCH_CHECK(x.size(-1) % 2 == 0, "swiglu needs an even width");
  if (!has_kernel(x)) return swiglu_reference(x);
  const at::Tensor rows = x.contiguous();
  return at::GradMode::is_enabled() && x.requires_grad() ? SwigluFunction::apply(rows) : forward(rows);
}

}  // namespace ingot::ops
