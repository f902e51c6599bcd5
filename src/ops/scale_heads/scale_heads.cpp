#include "ops/scale_heads/scale_heads.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/scale_heads/cpu.h"
#include "ops/scale_heads/cuda.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// x with the heads of a token side by side and tokens at one distance.
at::Tensor laid_out(const at::Tensor& x) {
  const bool fits = x.stride(3) == 1 && x.stride(2) == x.size(3) && x.stride(0) == x.size(1) * x.stride(1);
  return fits ? x : x.contiguous();
}

struct Inputs {
  at::Tensor x, scale;  // x as laid_out gives it, scale contiguous

  std::int64_t tokens() const { return x.size(0) * x.size(1); }
  std::int64_t scale_stride() const { return scale.dim() == 1 ? 0 : x.size(2); }
  IngotCudaScaleHeads gpu() const {
    return {gpu_type(x), x.data_ptr(),      tokens(),       x.stride(1), x.size(2),
            x.size(3),   raw<float>(scale), scale_stride(), gpu_stream()};
  }
  template <class T, class A>
  scale_heads_cpu::ScaleHeads<T, A> cpu() const {
    return {raw<T>(x), x.stride(1), x.size(2), x.size(3), raw<A>(scale), scale_stride()};
  }
  /// f(first token, token after the last) on the CPU's threads.
  template <class F>
  void for_tokens(F f) const {
    const std::int64_t size = std::max<std::int64_t>(1, x.size(2) * x.size(3));
    parallel_for(0, tokens(), std::max<std::int64_t>(1, kSerialElements / size), f);
  }
};

at::Tensor forward(const Inputs& in, const at::Tensor& added) {
  const at::Tensor y = at::empty(in.x.sizes(), in.x.options());
  if (in.x.is_cuda()) {
    INGOT_GPU_FUNCTION(ingot_cuda_scale_heads_forward)(in.gpu(), raw<void>(added), raw<void>(y));
    return y;
  }
  with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
    const auto kernel = in.cpu<T, A>();
    in.for_tokens([&](std::int64_t b, std::int64_t e) { kernel.forward(raw<T>(added), raw<T>(y), b, e); });
  });
  return y;
}

struct ScaleFunction : torch::autograd::Function<ScaleFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& scale,
                            const std::optional<at::Tensor>& added) {
    ctx->save_for_backward({x, scale});
    ctx->saved_data["added"] = added.has_value();
    return ops::forward({x, scale}, added.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "scale_heads has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    const Inputs in{saved[0], saved[1]};
    const at::Tensor dy = grads[0].contiguous(), dx = at::empty(dy.sizes(), dy.options());
    const at::Tensor dscale = at::empty({dy.size(0), dy.size(1), dy.size(2)}, in.scale.options());
    if (in.x.is_cuda()) {
      INGOT_GPU_FUNCTION(ingot_cuda_scale_heads_backward)(in.gpu(), raw<void>(dy), raw<void>(dx), raw<float>(dscale));
    } else {
      with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
        const auto kernel = in.cpu<T, A>();
        in.for_tokens(
            [&](std::int64_t b, std::int64_t e) { kernel.backward(raw<T>(dy), raw<T>(dx), raw<A>(dscale), b, e); });
      });
    }
    const at::Tensor reduced = in.scale.dim() == 1 ? dscale.sum(at::IntArrayRef{0, 1}) : dscale;
    return {dx, reduced, ctx->saved_data["added"].toBool() ? dy : at::Tensor()};
  }
};

}  // namespace

at::Tensor scale_heads(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& added) {
  TORCH_CHECK(x.dim() == 4 && scale.size(-1) == x.size(2), "scale_heads needs x [B, T, H, P], scale [B, T, H] or [H]");
  if (!has_kernel(x) || scale.scalar_type() != wide_type(x.scalar_type())) {
    return scale_heads_reference(x, scale, added);
  }
  const Inputs in{laid_out(x), scale.contiguous()};
  const at::Tensor more = added.defined() ? added.to(x.scalar_type()).contiguous() : added;
  if (needs_grad({x, scale, added})) return ScaleFunction::apply(in.x, in.scale, if_defined(more));
  return forward(in, more);
}

}  // namespace ingot::ops
