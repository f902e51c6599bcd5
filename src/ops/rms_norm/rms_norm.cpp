#include "ops/rms_norm/rms_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/cpu.h"
#include "ops/rms_norm/cuda.h"

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
  at::ScalarType out_type = at::kFloat;

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

IngotCudaNorm gpu_norm(const Inputs& in) {
  return {gpu_type(in.x),
          in.out_type == at::kBFloat16 ? GpuType::kBfloat16 : GpuType::kFloat,
          in.x.data_ptr(),
          raw<void>(in.gate),
          in.x_rows,
          in.gate_rows,
          raw<float>(in.gain),
          static_cast<float>(in.c.factor),
          static_cast<float>(in.c.eps),
          static_cast<float>(in.c.scale),
          gpu_stream()};
}

/// Calls f.template operator()<T, Out, A>() with the types of x, y and sums.
template <class F>
void with_norm_types(const Inputs& in, F f) {
  with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
    if constexpr (std::is_same_v<T, float>) {
      if (in.out_type == at::kBFloat16) return f.template operator()<T, std::uint16_t, A>();
    }
    f.template operator()<T, T, A>();
  });
}

template <class T, class Out, class A>
void forward_as(const Inputs& in, const at::Tensor& y, const at::Tensor& r) {
  const rms_norm_cpu::Forward<T, Out, A> kernel{raw<T>(in.x), raw<T>(in.gate), in.x_rows, in.gate_rows, raw<A>(in.gain),
                                                in.c,         raw<Out>(y),     raw<A>(r)};
  for_ranges(in.x_rows, [&](std::int64_t, std::int64_t b, std::int64_t e) { kernel.run(b, e); });
}

/// y and 1/root of each row.
std::pair<at::Tensor, at::Tensor> forward(Inputs& in) {
  in.lay_out();
  const at::Tensor y = at::empty(in.x.sizes(), in.x.options().dtype(in.out_type));
  const at::Tensor r = at::empty({in.x_rows.count()}, in.x.options().dtype(wide_type(in.x.scalar_type())));
  if (in.x.is_cuda()) {
    INGOT_GPU_FUNCTION(ingot_cuda_norm_forward)(gpu_norm(in), y.data_ptr(), r.data_ptr<float>());
  } else {
    with_norm_types(in, [&]<class T, class Out, class A>() { forward_as<T, Out, A>(in, y, r); });
  }
  return {y, r};
}

template <class T, class Out, class A>
void backward_as(const Inputs& in, const at::Tensor& r, const at::Tensor& dy, const at::Tensor& dx,
                 const at::Tensor& dgate, const at::Tensor& dgain) {
  const rms_norm_cpu::Backward<T, Out, A> kernel{raw<T>(in.x), raw<T>(in.gate), raw<Out>(dy), in.x_rows,
                                                 in.gate_rows, raw<A>(in.gain), raw<A>(r),    in.c,
                                                 raw<T>(dx),   raw<T>(dgate)};
  A* parts = raw<A>(dgain);
  const std::int64_t width = in.x_rows.width;
  for_ranges(in.x_rows, [&](std::int64_t range, std::int64_t b, std::int64_t e) {
    kernel.run(b, e, parts == nullptr ? nullptr : parts + range * width);
  });
  for (std::int64_t range = 1; parts != nullptr && range < kRanges; ++range) {
    for (std::int64_t i = 0; i < width; ++i) parts[i] += parts[range * width + i];
  }
}

/// Gradient of the gain, undefined without one.
at::Tensor backward(const Inputs& in, const at::Tensor& r, const at::Tensor& dy, const at::Tensor& dx,
                    const at::Tensor& dgate) {
  const std::int64_t width = in.x_rows.width;
  at::Tensor parts;
  if (in.x.is_cuda()) {
    const IngotCudaNorm norm = gpu_norm(in);
    const std::int64_t count = INGOT_GPU_FUNCTION(ingot_cuda_norm_partials)(norm);
    if (in.gain.defined()) parts = at::empty({count, width}, in.gain.options());
    INGOT_GPU_FUNCTION(ingot_cuda_norm_backward)
    (norm, r.data_ptr<float>(), dy.data_ptr(), dx.data_ptr(), raw<void>(dgate), raw<float>(parts));
    return parts.defined() ? parts.sum(0) : parts;
  }
  if (in.gain.defined()) parts = at::zeros({kRanges, width}, in.gain.options());
  with_norm_types(in, [&]<class T, class Out, class A>() { backward_as<T, Out, A>(in, r, dy, dx, dgate, parts); });
  return parts.defined() ? parts.select(0, 0) : parts;
}

/// Whether kernels take rows of this width: on GPUs a thread keeps its part of a row in registers.
bool has_norm_kernel(const at::Tensor& x) {
  if (!has_gpu_kernel(x)) return has_cpu_kernel(x);
  IngotCudaNorm norm{};
  norm.type = gpu_type(x);
  norm.x_rows.width = x.size(-1);
  norm.x_rows.stride = 1;  // the worst case: no packed access
  return INGOT_GPU_FUNCTION(ingot_cuda_norm_fits)(norm);
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const std::optional<at::Tensor>& gate,
                            const std::optional<at::Tensor>& gain, double factor, double eps, double scale,
                            at::ScalarType out_type) {
    Inputs in{x, gate.value_or(at::Tensor()), gain.value_or(at::Tensor()), {factor, eps, scale}, {}, {}, out_type};
    auto [y, r] = ops::forward(in);
    ctx->save_for_backward({in.x, in.gate, in.gain, r});
    ctx->saved_data["factor"] = factor;
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["out_type"] = out_type;
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
        {},
        ctx->saved_data["out_type"].toScalarType()};
    in.lay_out();
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor dx = at::empty(in.x.sizes(), in.x.options());
    at::Tensor dgate;
    if (in.gate.defined()) dgate = at::empty(in.gate.sizes(), in.gate.options());
    const at::Tensor dgain = ops::backward(in, saved[3], dy, dx, dgate);
    return {dx, dgate, dgain, {}, {}, {}, {}};
  }
};

at::Tensor apply(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, const Coefficients& c,
                 at::ScalarType out_type) {
  const at::Tensor wide_gain = gain.defined() ? gain.to(wide_type(x.scalar_type())) : gain;
  if (needs_grad({x, gate, gain})) {
    return NormFunction::apply(x, if_defined(gate), if_defined(wide_gain), c.factor, c.eps, c.scale, out_type);
  }
  Inputs in{x, gate, wide_gain, c, {}, {}, out_type};
  return forward(in).first;
}

double mean_factor(const at::Tensor& x) { return 1.0 / static_cast<double>(x.size(-1)); }

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& gain, double eps, std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  const bool has_types = type == x.scalar_type() || (x.scalar_type() == at::kFloat && type == at::kBFloat16);
  if (!has_types || !has_norm_kernel(x)) return rms_norm_reference(x, gain, eps).to(type);
  return apply(x, {}, gain, {mean_factor(x), eps, 1.0}, type);
}

at::Tensor l2_norm(const at::Tensor& x, double eps, double scale) {
  if (!has_norm_kernel(x)) return l2_norm_reference(x, eps, scale);
  return apply(x, {}, {}, {1.0, eps, scale}, x.scalar_type());
}

at::Tensor gated_rms_norm(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps) {
  if (!has_norm_kernel(x)) return gated_rms_norm_reference(x, gate, gain, eps);
  return apply(x, gate.to(x.scalar_type()), gain, {mean_factor(x), eps, 1.0}, x.scalar_type());
}

}  // namespace ingot::ops
