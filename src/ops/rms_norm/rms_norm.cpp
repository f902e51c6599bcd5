#include "ops/rms_norm/rms_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/cpu.h"

namespace ingot::ops {

namespace {

using rms_norm_cpu::Coefficients;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rows are cut into this many ranges whatever the thread count, so that the sum over them has the same bits.
constexpr std::int64_t kRanges = 16;

template <class F>
void for_ranges(const Rows& rows, F f) {
  const std::int64_t per_range = (rows.outer + kRanges - 1) / kRanges;
  const bool serial = rows.count() * rows.width < kSerialElements;
  parallel_for(0, kRanges, serial ? kRanges : 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t range = first; range < last; ++range) {
      const std::int64_t begin = std::min(range * per_range, rows.outer);
      const std::int64_t end = std::min(begin + per_range, rows.outer);
      if (begin < end) f(range, begin, end);
    }
  });
}

struct Inputs {
  at::Tensor x, gate, gain;
  Coefficients c;
  Rows x_rows, gate_rows;

  void lay_out() {
    x_rows = rows_of(x);
    if (!gate.defined()) return;
    gate_rows = rows_of(gate, x_rows.inner);
    if (gate.defined() && gate_rows.outer != x_rows.outer) {
      x = x.contiguous();
      gate = gate.contiguous();
      x_rows = rows_of(x);
      gate_rows = rows_of(gate);
    }
  }
};

template <class T, class A>
void forward_as(const Inputs& in, const at::Tensor& y, const at::Tensor& r) {
  const rms_norm_cpu::Forward<T, A> kernel{raw<T>(in.x), raw<T>(in.gate), in.x_rows, in.gate_rows, raw<A>(in.gain),
                                           in.c,         raw<T>(y),       raw<A>(r)};
  for_ranges(in.x_rows, [&](std::int64_t, std::int64_t b, std::int64_t e) { kernel.run(b, e); });
}

/// y and 1/root of each row.
std::pair<at::Tensor, at::Tensor> forward(Inputs& in) {
  in.lay_out();
  const at::ScalarType type = in.x.scalar_type();
  const at::Tensor y = at::empty(in.x.sizes(), in.x.options());
  const at::Tensor r = at::empty({in.x_rows.count()}, in.x.options().dtype(wide_type(type)));
  with_kernel_types(type, [&]<class T, class A>() { forward_as<T, A>(in, y, r); });
  return {y, r};
}

template <class T, class A>
void backward_as(const Inputs& in, const at::Tensor& r, const at::Tensor& dy, const at::Tensor& dx,
                 const at::Tensor& dgate, const at::Tensor& dgain) {
  const rms_norm_cpu::Backward<T, A> kernel{raw<T>(in.x),    raw<T>(in.gate), raw<T>(dy), in.x_rows,  in.gate_rows,
                                            raw<A>(in.gain), raw<A>(r),       in.c,       raw<T>(dx), raw<T>(dgate)};
  A* parts = raw<A>(dgain);
  const std::int64_t width = in.x_rows.width;
  for_ranges(in.x_rows, [&](std::int64_t range, std::int64_t b, std::int64_t e) {
    kernel.run(b, e, parts == nullptr ? nullptr : parts + range * width);
  });
  for (std::int64_t range = 1; parts != nullptr && range < kRanges; ++range) {
    for (std::int64_t i = 0; i < width; ++i) parts[i] += parts[range * width + i];
  }
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const std::optional<at::Tensor>& gate,
                            const std::optional<at::Tensor>& gain, double factor, double eps, double scale) {
    Inputs in{x, gate.value_or(at::Tensor()), gain.value_or(at::Tensor()), {factor, eps, scale}, {}, {}};
    auto [y, r] = ops::forward(in);
    ctx->save_for_backward({in.x, in.gate, in.gain, r});
    ctx->saved_data["factor"] = factor;
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["scale"] = scale;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "rms_norm has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    Inputs in{
        saved[0],
        saved[1],
        saved[2],
        {ctx->saved_data["factor"].toDouble(), ctx->saved_data["eps"].toDouble(), ctx->saved_data["scale"].toDouble()},
        {},
        {}};
    in.lay_out();
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor dx = at::empty(in.x.sizes(), in.x.options());
    at::Tensor dgate, dgain;
    if (in.gate.defined()) dgate = at::empty(in.gate.sizes(), in.gate.options());
    if (in.gain.defined()) dgain = at::zeros({kRanges, in.x_rows.width}, in.gain.options());
    with_kernel_types(in.x.scalar_type(),
                      [&]<class T, class A>() { backward_as<T, A>(in, saved[3], dy, dx, dgate, dgain); });
    if (dgain.defined()) dgain = dgain.select(0, 0);
    return {dx, dgate, dgain, {}, {}, {}};
  }
};

at::Tensor apply(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double factor, double eps,
                 double scale) {
  const at::Tensor wide_gain = gain.defined() ? gain.to(wide_type(x.scalar_type())) : gain;
  const bool grad = at::GradMode::is_enabled() && (x.requires_grad() || (gate.defined() && gate.requires_grad()) ||
                                                   (gain.defined() && gain.requires_grad()));
  if (grad) return NormFunction::apply(x, if_defined(gate), if_defined(wide_gain), factor, eps, scale);
  Inputs in{x, gate, wide_gain, {factor, eps, scale}, {}, {}};
  return forward(in).first;
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& gain, double eps) {
  if (!has_cpu_kernel(x)) return rms_norm_reference(x, gain, eps);
  return apply(x, {}, gain, 1.0 / static_cast<double>(x.size(-1)), eps, 1.0);
}

at::Tensor l2_norm(const at::Tensor& x, double eps, double scale) {
  if (!has_cpu_kernel(x)) return l2_norm_reference(x, eps, scale);
  return apply(x, {}, {}, 1.0, eps, scale);
}

at::Tensor gated_rms_norm(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps) {
  if (!has_cpu_kernel(x)) return gated_rms_norm_reference(x, gate, gain, eps);
  return apply(x, gate.to(x.scalar_type()), gain, 1.0 / static_cast<double>(x.size(-1)), eps, 1.0);
}

}  // namespace ingot::ops
