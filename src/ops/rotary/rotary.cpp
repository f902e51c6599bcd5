#include "ops/rotary/rotary.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/rotary/cpu.h"
#include "ops/rotary/cuda.h"
#include "ops/rows.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor rotate(at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, double sign) {
  const std::int64_t heads = x.size(2), half = x.size(3) / 2;
  const Rows rows = rows_of(x, x.is_contiguous() ? 1 : heads);
  const std::int64_t stride = rows.inner == heads ? rows.stride : heads * 2 * half;
  const at::Tensor y = at::empty(x.sizes(), x.options());
  const std::int64_t tokens = x.size(0) * x.size(1);
  if (x.is_cuda()) {
    INGOT_GPU_FUNCTION(ingot_cuda_rotate)
    ({gpu_type(x), x.data_ptr(), tokens, stride, heads, half, raw<const float>(cos), raw<const float>(sin),
      cos.size(0) * cos.size(1), static_cast<float>(sign), y.data_ptr(), gpu_stream()});
    return y;
  }
  const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(1, 2 * half * heads));
  with_kernel_types(x.scalar_type(), [&]<class T, class A>() {
    const rotary_cpu::Rotation<T, A> kernel{
        raw<T>(x), stride, heads, half, raw<A>(cos), raw<A>(sin), cos.size(0) * cos.size(1), static_cast<A>(sign),
        raw<T>(y)};
    parallel_for(0, tokens, grain, [&](std::int64_t b, std::int64_t e) { kernel.run(b, e); });
  });
  return y;
}

struct RotateFunction : torch::autograd::Function<RotateFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotate(x, cos, sin, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "rotate_half has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    return {rotate(grads[0], saved[0], saved[1], -1), {}, {}};
  }
};

}  // namespace

at::Tensor rotate_half(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  TORCH_CHECK(x.dim() == 4 && x.size(3) % 2 == 0, "rotate_half needs [B, T, H, K] with an even K");
  TORCH_CHECK(cos.scalar_type() == wide_type(x.scalar_type()) && cos.sizes() == sin.sizes(), "angles of another type");
  if (!has_kernel(x)) return rotate_half_reference(x, cos, sin);
  const at::Tensor c = cos.contiguous(), s = sin.contiguous();
  if (at::GradMode::is_enabled() && x.requires_grad()) return RotateFunction::apply(x, c, s);
  return rotate(x, c, s, 1);
}

}  // namespace ingot::ops
