#include "ops/row_norm/row_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

using row_norm::kMaxParameters;
using row_norm::Pass;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Parameters = std::array<at::Tensor, kMaxParameters>;

/// Rows are cut into this many ranges whatever the thread count, so that the sum over them has the same bits.
constexpr std::int64_t kRanges = 16;

/// Calls f(range, begin, end) for groups of rows.
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

struct RowNormInputs : RowNormCall {
  at::Tensor x, gate;  // gate may be undefined
  Parameters parameters;
  Rows x_rows, gate_rows;

  /// Numbers of all parameters.
  std::int64_t length() const {
    std::int64_t length = 0;
    for (const at::Tensor& parameter : parameters) length += parameter.defined() ? parameter.numel() : 0;
    return length;
  }
};

/// Calls f.template operator()<T, Out, A>() with the types of x, y and sums.
template <class F>
void with_norm_types(const RowNormInputs& in, F f) {
  with_kernel_types(in.x.scalar_type(), [&]<class T, class A>() {
    if constexpr (std::is_same_v<T, float>) {
      if (in.out_type == at::kBFloat16) return f.template operator()<T, std::uint16_t, A>();
    }
    f.template operator()<T, T, A>();
  });
}

void find_rows(RowNormInputs& in) {
  in.x_rows = rows_of(in.x);
  if (!in.gate.defined()) return;
  in.gate_rows = rows_of(in.gate, in.x_rows.inner);
  if (in.gate_rows.outer == in.x_rows.outer) return;
  in.x = in.x.contiguous();
  in.gate = in.gate.contiguous();
  in.x_rows = rows_of(in.x);
  in.gate_rows = rows_of(in.gate);
}

IngotCudaRowNorm gpu_pass(const RowNormInputs& in) {
  IngotCudaRowNorm pass{};
  pass.type = gpu_type(in.x);
  pass.out_type = in.out_type == at::kBFloat16 ? GpuType::kBfloat16 : GpuType::kFloat;
  pass.x = raw<void>(in.x);
  pass.gate = raw<void>(in.gate);
  pass.x_rows = in.x_rows;
  pass.gate_rows = in.gate_rows;
  for (int i = 0; i < kMaxParameters; ++i) {
    pass.parameters[i] = raw<float>(in.parameters[i]);
    pass.lengths[i] = in.parameters[i].defined() ? in.parameters[i].numel() : 0;
  }
  pass.num_statistics = in.num_statistics;
  pass.eps = static_cast<float>(in.settings.eps);
  pass.factor = static_cast<float>(in.settings.factor);
  pass.scale = static_cast<float>(in.settings.scale);
  pass.stream = gpu_stream();
  return pass;
}

/// Rows that the kernels take.
void lay_out(RowNormInputs& in) {
  find_rows(in);
  if (!in.x.is_cuda() || INGOT_GPU_FUNCTION(ingot_cuda_row_norm_fits)(gpu_pass(in))) return;
  // They are long and lie askew; copies begin where packs do.
  in.x = in.x.clone(at::MemoryFormat::Contiguous);
  if (in.gate.defined()) in.gate = in.gate.clone(at::MemoryFormat::Contiguous);
  find_rows(in);
}

template <class T, class Out, class A>
Pass<T, Out, A> pass_over(const RowNormInputs& in, const at::Tensor& statistics) {
  Pass<T, Out, A> pass{};
  pass.x = raw<T>(in.x);
  pass.gate = raw<T>(in.gate);
  pass.x_rows = in.x_rows;
  pass.gate_rows = in.gate_rows;
  for (int i = 0; i < kMaxParameters; ++i) pass.parameters[i] = raw<A>(in.parameters[i]);
  pass.settings = in.settings;
  pass.statistics = raw<A>(statistics);
  pass.num_statistics = in.num_statistics;
  return pass;
}

template <class A>
std::vector<A> scratch_for(const Rows& rows) {
  return std::vector<A>(static_cast<std::size_t>(row_norm::kScratch * rows.width));
}

template <class T, class Out, class A>
void forward_as(const RowNormInputs& in, const at::Tensor& y, const at::Tensor& statistics) {
  auto pass = pass_over<T, Out, A>(in, statistics);
  pass.y = raw<Out>(y);
  const auto& kernel = std::get<row_norm::Kernel<T, Out, A>>(in.norm->kernels());
  for_ranges(in.x_rows, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    auto scratch = scratch_for<A>(in.x_rows);
    kernel.forward(pass, begin, end, scratch.data());
  });
}

struct Forward {
  at::Tensor y, statistics;
};

Forward forward(RowNormInputs& in) {
  lay_out(in);
  const at::ScalarType wide = wide_type(in.x.scalar_type());
  Forward out{at::empty(in.x.sizes(), in.x.options().dtype(in.out_type)),
              at::empty({in.x_rows.count(), in.num_statistics}, in.x.options().dtype(wide))};
  if (in.x.is_cuda()) {
    in.norm->gpu_kernels().forward(gpu_pass(in), raw<void>(out.y), raw<float>(out.statistics));
  } else {
    with_norm_types(in, [&]<class T, class Out, class A>() { forward_as<T, Out, A>(in, out.y, out.statistics); });
  }
  return out;
}

/// sums [kRanges, elements of all parameters]: each range adds to a row of its own, and then the rows are summed in
/// order.
template <class T, class Out, class A>
void backward_as(const RowNormInputs& in, const at::Tensor& statistics, const at::Tensor& dy, const at::Tensor& dx,
                 const at::Tensor& dgate, const at::Tensor& sums) {
  auto pass = pass_over<T, Out, A>(in, statistics);
  pass.dy = raw<Out>(dy);
  pass.dx = raw<T>(dx);
  pass.dgate = raw<T>(dgate);
  const auto& kernel = std::get<row_norm::Kernel<T, Out, A>>(in.norm->kernels());
  A* const total = raw<A>(sums);
  const std::int64_t length = sums.size(1);
  for_ranges(in.x_rows, [&](std::int64_t range, std::int64_t begin, std::int64_t end) {
    row_norm::ParameterGradients<A> gradients{};
    A* next = total + range * length;
    for (int i = 0; i < kMaxParameters; ++i) {
      if (!in.parameters[i].defined()) continue;
      gradients[i] = next;
      next += in.parameters[i].numel();
    }
    auto scratch = scratch_for<A>(in.x_rows);
    kernel.backward(pass, begin, end, gradients, scratch.data());
  });
  for (std::int64_t range = 1; range < kRanges; ++range) {
    for (std::int64_t i = 0; i < length; ++i) total[i] += total[range * length + i];
  }
}

/// x, or a copy of it that begins where packs do.
at::Tensor aligned(const at::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.data_ptr()) % 16 == 0 ? x : x.clone();
}

/// The same on a GPU. The result is the sum, [elements of all parameters], or undefined without any.
at::Tensor gpu_backward(const RowNormInputs& in, const at::Tensor& statistics, const at::Tensor& dy,
                        const at::Tensor& dx, const at::Tensor& dgate) {
  const IngotCudaRowNorm pass = gpu_pass(in);
  const at::Tensor packed_dy = aligned(dy);
  at::Tensor parts;
  if (const std::int64_t length = in.length(); length > 0) {
    parts = at::empty({INGOT_GPU_FUNCTION(ingot_cuda_row_norm_partials)(pass), length}, statistics.options());
  }
  in.norm->gpu_kernels().backward(pass, raw<float>(statistics), raw<void>(packed_dy), raw<void>(dx), raw<void>(dgate),
                                  raw<float>(parts));
  return parts.defined() ? parts.sum(0) : parts;
}

/// Gradients of the parameters, undefined for undefined ones.
Parameters backward(const RowNormInputs& in, const at::Tensor& statistics, const at::Tensor& dy, const at::Tensor& dx,
                    const at::Tensor& dgate) {
  at::Tensor sum;
  if (in.x.is_cuda()) {
    sum = gpu_backward(in, statistics, dy, dx, dgate);
  } else {
    const at::Tensor sums = at::zeros({kRanges, in.length()}, statistics.options());
    with_norm_types(
        in, [&]<class T, class Out, class A>() { backward_as<T, Out, A>(in, statistics, dy, dx, dgate, sums); });
    sum = sums.select(0, 0);
  }
  Parameters gradients;
  std::int64_t first = 0;
  for (int i = 0; i < kMaxParameters; ++i) {
    if (!in.parameters[i].defined()) continue;
    const std::int64_t count = in.parameters[i].numel();
    gradients[i] = sum.narrow(0, first, count).view(in.parameters[i].sizes());
    first += count;
  }
  return gradients;
}

struct CallHolder : torch::CustomClassHolder {
  explicit CallHolder(const RowNormCall& c) : call(c) {}
  RowNormCall call;
};

struct NormFunction : torch::autograd::Function<NormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const RowNormCall& call, const at::Tensor& x,
                            const std::optional<at::Tensor>& gate, const std::optional<at::Tensor>& p0,
                            const std::optional<at::Tensor>& p1, const std::optional<at::Tensor>& p2) {
    const auto or_none = [](const std::optional<at::Tensor>& t) { return t.value_or(at::Tensor()); };
    RowNormInputs in{call, x, or_none(gate), {or_none(p0), or_none(p1), or_none(p2)}, {}, {}};
    const Forward out = ops::forward(in);
    ctx->save_for_backward({in.x, in.gate, in.parameters[0], in.parameters[1], in.parameters[2], out.statistics});
    ctx->saved_data["call"] = c10::IValue::make_capsule(c10::make_intrusive<CallHolder>(call));
    return out.y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto holder = c10::static_intrusive_pointer_cast<CallHolder>(ctx->saved_data["call"].toCapsule());
    TORCH_CHECK(!at::GradMode::is_enabled(), holder->call.norm->name, " has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    RowNormInputs in{holder->call, saved[0], saved[1], {saved[2], saved[3], saved[4]}, {}, {}};
    lay_out(in);
    const at::Tensor dx = at::empty(in.x.sizes(), in.x.options());
    at::Tensor dgate;
    if (in.gate.defined()) dgate = at::empty(in.gate.sizes(), in.gate.options());
    const Parameters dp = ops::backward(in, saved[5], grads[0].contiguous(), dx, dgate);
    return {{}, dx, dgate, dp[0], dp[1], dp[2]};
  }
};

}  // namespace

bool has_row_norm_kernel(const at::Tensor& x, at::ScalarType out_type) {
  if (!can_write(x, out_type)) return false;
  if (!has_gpu_kernel(x)) return has_cpu_kernel(x);
  IngotCudaRowNorm norm{};
  norm.type = gpu_type(x);
  norm.x_rows.width = x.size(-1);  // rows that lie askew are copied
  return INGOT_GPU_FUNCTION(ingot_cuda_row_norm_fits)(norm);
}

at::Tensor row_norm_of(const RowNormCall& call, const at::Tensor& x, const at::Tensor& gate, Parameters parameters) {
  for (at::Tensor& parameter : parameters) {
    if (parameter.defined()) parameter = parameter.to(wide_type(x.scalar_type())).contiguous();
  }
  const auto& [p0, p1, p2] = parameters;
  if (needs_grad({x, gate, p0, p1, p2})) {
    return NormFunction::apply(call, x, if_defined(gate), if_defined(p0), if_defined(p1), if_defined(p2));
  }
  RowNormInputs in{call, x, gate, parameters, {}, {}};
  return forward(in).y;
}

}  // namespace ingot::ops
