#include "ops/short_conv/short_conv.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/short_conv/cpu.h"
#include "ops/short_conv/cuda.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Channels that one task handles: few enough that a row of the backward's scratch stays near.
constexpr std::int64_t kChannels = 256;

struct Inputs {
  at::Tensor x, weight, bias, incoming, fresh, origin;
  bool silu = false;

  /// Brings everything into the layout of the kernels; absent tails become zeros.
  void lay_out() {
    if (x.stride(2) != 1 && x.size(2) != 1) x = x.contiguous();
    weight = weight.t().contiguous();
    const std::vector<std::int64_t> tail = {1, weight.size(0) - 1, x.size(2)};
    incoming = incoming.defined() ? incoming.to(x.scalar_type()).contiguous() : at::zeros(tail, x.options());
    fresh = fresh.defined() ? fresh.to(x.scalar_type()).contiguous() : at::zeros(tail, x.options());
    if (origin.defined()) origin = origin.contiguous();
    if (bias.defined()) bias = bias.contiguous();
  }

  template <class T, class A>
  short_conv_cpu::Conv<T, A> row(std::int64_t b) const {
    const auto tail = [&](const at::Tensor& t) { return raw<T>(t) + (t.size(0) > 1 ? b : 0) * t.size(1) * t.size(2); };
    return {raw<T>(x) + b * x.stride(0),
            x.stride(1),
            x.size(1),
            x.size(2),
            weight.size(0),
            raw<A>(weight),
            raw<A>(bias),
            tail(incoming),
            tail(fresh),
            origin.defined() ? origin.const_data_ptr<std::int64_t>() + b * x.size(1) : nullptr,
            silu};
  }
};

IngotCudaConv gpu_conv(const Inputs& in) {
  const auto tail_stride = [](const at::Tensor& t) { return t.size(0) > 1 ? t.size(1) * t.size(2) : 0; };
  return {gpu_type(in.x),
          in.x.data_ptr(),
          in.x.stride(0),
          in.x.stride(1),
          in.x.size(0),
          in.x.size(1),
          in.x.size(2),
          in.weight.size(0),
          raw<float>(in.weight),
          raw<float>(in.bias),
          in.incoming.data_ptr(),
          in.fresh.data_ptr(),
          tail_stride(in.incoming),
          tail_stride(in.fresh),
          raw<std::int64_t>(in.origin),
          in.silu,
          gpu_stream()};
}

/// f(batch row, first channel, channel after the last).
template <class F>
void for_blocks(const at::Tensor& x, F f) {
  const std::int64_t blocks = (x.size(2) + kChannels - 1) / kChannels;
  const std::int64_t tasks = x.size(0) * blocks;
  parallel_for(0, tasks, x.numel() < kSerialElements ? tasks : 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t begin = task % blocks * kChannels;
      f(task / blocks, begin, std::min(begin + kChannels, x.size(2)));
    }
  });
}

at::Tensor forward(const Inputs& in) {
  const at::Tensor y = at::empty(in.x.sizes(), in.x.options());
  if (in.x.is_cuda()) {
    INGOT_GPU_FUNCTION(ingot_cuda_conv_forward)(gpu_conv(in), y.data_ptr());
    return y;
  }
  with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
    for_blocks(in.x, [&](std::int64_t b, std::int64_t begin, std::int64_t end) {
      in.row<T, A>(b).forward(raw<T>(y) + b * in.x.size(1) * in.x.size(2), begin, end);
    });
  });
  return y;
}

/// All sums over tokens are in `wide` types; the tails' still have one row for each batch row.
struct Gradients {
  at::Tensor dx, dweight, dbias, dincoming, dfresh;
};

Gradients backward_on_gpu(const Inputs& in, const at::Tensor& dy) {
  const IngotCudaConv conv = gpu_conv(in);
  const std::int64_t parts = INGOT_GPU_FUNCTION(ingot_cuda_conv_partials)(conv);
  const at::TensorOptions options = in.weight.options();
  Gradients out;
  out.dx = at::empty(in.x.sizes(), in.x.options());
  const at::Tensor dweight = at::empty({parts, conv.taps, conv.channels}, options);
  const at::Tensor dbias = in.bias.defined() ? at::empty({parts, conv.channels}, options) : at::Tensor();
  const std::int64_t tail_parts = INGOT_GPU_FUNCTION(ingot_cuda_conv_tail_partials)(conv);
  const at::Tensor dincoming = at::empty({tail_parts, conv.batch, conv.taps - 1, conv.channels}, options);
  const at::Tensor dfresh = at::empty_like(dincoming);
  INGOT_GPU_FUNCTION(ingot_cuda_conv_backward)
  (conv, {dy.data_ptr(), out.dx.data_ptr(), raw<float>(dweight), raw<float>(dbias), raw<float>(dincoming),
          raw<float>(dfresh)});
  out.dincoming = dincoming.sum(0);
  out.dfresh = dfresh.sum(0);
  out.dweight = dweight.sum(0);
  if (dbias.defined()) out.dbias = dbias.sum(0);
  return out;
}

Gradients backward_on_cpu(const Inputs& in, const at::Tensor& dy) {
  const std::int64_t batch = in.x.size(0), length = in.x.size(1), channels = in.x.size(2), taps = in.weight.size(0);
  const at::TensorOptions options = in.weight.options();
  Gradients out;
  out.dx = at::empty(in.x.sizes(), in.x.options());
  // Parts of the parameters' gradients for each batch row, summed in order: the same bits on any number of threads.
  const at::Tensor dweight = at::zeros({batch, taps, channels}, options);
  const at::Tensor dbias = in.bias.defined() ? at::zeros({batch, channels}, options) : at::Tensor();
  out.dincoming = at::zeros({batch, taps - 1, channels}, options);
  out.dfresh = at::zeros({batch, taps - 1, channels}, options);
  with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
    for_blocks(in.x, [&](std::int64_t b, std::int64_t begin, std::int64_t end) {
      std::vector<A> scratch(static_cast<std::size_t>(length * (end - begin)));
      in.row<T, A>(b).backward(
          {raw<T>(dy) + b * length * channels, raw<T>(out.dx) + b * length * channels,
           raw<A>(dweight) + b * taps * channels, dbias.defined() ? raw<A>(dbias) + b * channels : nullptr,
           raw<A>(out.dincoming) + b * (taps - 1) * channels, raw<A>(out.dfresh) + b * (taps - 1) * channels,
           scratch.data()},
          begin, end);
    });
  });
  out.dweight = dweight.sum(0);
  if (dbias.defined()) out.dbias = dbias.sum(0);
  return out;
}

/// Sums over the batch where all rows shared one tensor. parts [B, ...] -> [1 or B, ...] in the dtype of `like`.
at::Tensor like_source(const at::Tensor& parts, const at::Tensor& like) {
  return (like.size(0) == 1 ? parts.sum(0, true) : parts).to(like.scalar_type());
}

struct ConvFunction : torch::autograd::Function<ConvFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& maybe_bias,
                            const std::optional<at::Tensor>& maybe_incoming,
                            const std::optional<at::Tensor>& maybe_fresh, const std::optional<at::Tensor>& maybe_origin,
                            bool silu) {
    const at::Tensor bias = maybe_bias.value_or(at::Tensor()), incoming = maybe_incoming.value_or(at::Tensor());
    const at::Tensor fresh = maybe_fresh.value_or(at::Tensor()), origin = maybe_origin.value_or(at::Tensor());
    ctx->save_for_backward({x, weight, bias, incoming, fresh, origin});
    ctx->saved_data["silu"] = silu;
    Inputs in{x, weight, bias, incoming, fresh, origin, silu};
    in.lay_out();
    return ops::forward(in);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "short_conv has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    Inputs in{saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], ctx->saved_data["silu"].toBool()};
    in.lay_out();
    const at::Tensor dy = grads[0].contiguous();
    const Gradients g = in.x.is_cuda() ? backward_on_gpu(in, dy) : backward_on_cpu(in, dy);
    const auto tail_grad = [&](std::size_t index, const at::Tensor& parts) {
      return saved[index].defined() ? like_source(parts, saved[index]) : at::Tensor();
    };
    return {g.dx, g.dweight.t(), g.dbias, tail_grad(3, g.dincoming), tail_grad(4, g.dfresh), {}, {}};
  }
};

}  // namespace

at::Tensor short_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const ConvTails& tails,
                      const at::Tensor& origin, bool silu) {
  const std::int64_t max_taps = x.is_cuda() ? kIngotCudaConvMaxTaps : short_conv_cpu::kMaxTaps;
  if (!has_kernel(x) || weight.size(1) > max_taps || weight.size(1) < 2) {
    return short_conv_reference(x, weight, bias, tails, origin, silu);
  }
  if (needs_grad({x, weight, bias, tails.incoming, tails.fresh})) {
    return ConvFunction::apply(x, weight, if_defined(bias), if_defined(tails.incoming), if_defined(tails.fresh),
                               if_defined(origin), silu);
  }
  Inputs in{x, weight, bias, tails.incoming, tails.fresh, origin, silu};
  in.lay_out();
  return forward(in);
}

}  // namespace ingot::ops
