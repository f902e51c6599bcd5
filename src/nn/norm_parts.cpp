#include "nn/norm_parts.h"

#include <ATen/ExpandUtils.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <exception>
#include <mutex>

#include "base/text.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"

namespace ingot::norms {

at::Tensor wide(const at::Tensor& x) { return x.to(ops::wide_type(x.scalar_type())); }

at::Tensor row_mean(const at::Tensor& x) { return x.mean(-1, true); }

at::Tensor root_mean_square(const at::Tensor& x, double eps) { return (row_mean(x.square()) + eps).sqrt(); }

at::Tensor rms_gradient(const at::Tensor& g, const at::Tensor& x, const at::Tensor& s) {
  return (g - x * (row_mean(g * x) / s.square())) / s;
}

at::Tensor over_partial_rms(const at::Tensor& x, std::int64_t k, double eps) {
  return x / (root_mean_square(x.narrow(-1, 0, k), 0) + eps);
}

at::Tensor partial_rms_gradient(const at::Tensor& g, const at::Tensor& x, std::int64_t k, double eps) {
  const at::Tensor first = x.narrow(-1, 0, k);
  const at::Tensor r = root_mean_square(first, 0);
  const at::Tensor slope = (g * x).sum(-1, true) / (static_cast<double>(k) * r * (r + eps).square());
  const at::Tensor pull = first * at::where(r > 0, slope, at::zeros_like(slope));
  const at::Tensor direct = g / (r + eps);
  return at::cat({direct.narrow(-1, 0, k) - pull, direct.narrow(-1, k, x.size(-1) - k)}, -1);
}

ParamSpec scalar_spec(std::string name, double start) {
  return {std::move(name), {1}, Role::kScalar, "", -1, constant_init(start), cat("constant(", start, ")")};
}

ParamSpec vector_spec(std::string name, std::int64_t width, double start) {
  ParamSpec spec = gain_spec(std::move(name), width);
  spec.fixed_init = constant_init(start);
  spec.fixed_init_name = start == 1 ? "ones" : start == 0 ? "zeros" : cat("constant(", start, ")");
  return spec;
}

namespace {

/// Rows of one block have about this many elements: temporaries stay in the cache.
constexpr std::int64_t kBlockElements = 1 << 15;

std::int64_t rows_per_block(const at::Tensor& rows) {
  return std::max<std::int64_t>(1, rows.is_cpu() ? kBlockElements / rows.size(1) : rows.size(0));
}

std::int64_t num_blocks(const at::Tensor& rows) {
  const std::int64_t size = rows_per_block(rows);
  return (rows.size(0) + size - 1) / size;
}

/// Calls f(block, first row, rows) for blocks of rows that depend on x's shape alone, on all threads; on GPUs once.
template <class F>
void for_blocks(const at::Tensor& rows, F f) {
  const std::int64_t count = rows.size(0), size = rows_per_block(rows);
  std::exception_ptr error;
  std::mutex mutex;
  parallel_for(0, num_blocks(rows), 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;  // per thread
    try {
      for (std::int64_t i = begin; i < end; ++i) f(i, i * size, std::min(size, count - i * size));
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace

struct ClosedFormFunction : torch::autograd::Function<ClosedFormFunction> {
  /// Undefined tensors are not let into lists, so gain and bias are optional arguments of their own.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const ClosedFormNorm* norm,
                            at::ScalarType out_type, const at::Tensor& x, const std::optional<at::Tensor>& gain,
                            const std::optional<at::Tensor>& bias, at::TensorList inner) {
    Tensors saved{x, gain.value_or(at::Tensor()), bias.value_or(at::Tensor())};
    saved.insert(saved.end(), inner.begin(), inner.end());
    context->save_for_backward(saved);
    context->saved_data["norm"] = reinterpret_cast<std::int64_t>(norm);
    return evaluate(norm, out_type, x, saved[1], saved[2], inner.vec());
  }

  static at::Tensor evaluate(const ClosedFormNorm* norm, at::ScalarType out_type, const at::Tensor& x,
                             const at::Tensor& gain, const at::Tensor& bias, const Tensors& inner) {
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    const at::Tensor y = at::empty(rows.sizes(), x.options().dtype(out_type));
    for_blocks(rows, [&](std::int64_t, std::int64_t first, std::int64_t count) {
      at::Tensor n = norm->normalise(wide(rows.narrow(0, first, count)).contiguous(), inner);
      if (gain.defined()) n = n * gain;
      if (bias.defined()) n = n + bias;
      y.narrow(0, first, count).copy_(n);
    });
    return y.view(x.sizes());
  }

  static Tensors backward(torch::autograd::AutogradContext* context, const Tensors& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norms have no second derivative");
    const auto* norm = reinterpret_cast<const ClosedFormNorm*>(context->saved_data["norm"].toInt());
    const Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &bias = saved[2];
    const Tensors inner(saved.begin() + 3, saved.end());
    const at::Tensor rows = x.reshape({-1, x.size(-1)}), drows = dy[0].reshape(rows.sizes());
    const at::Tensor dx = at::empty(rows.sizes(), x.options());
    std::vector<Tensors> parts(static_cast<std::size_t>(num_blocks(rows)));  // of gain, bias, inner
    for_blocks(rows, [&](std::int64_t block, std::int64_t first, std::int64_t count) {
      const at::Tensor w = wide(rows.narrow(0, first, count)).contiguous();
      const at::Tensor n = norm->normalise(w, inner);
      const at::Tensor d = wide(drows.narrow(0, first, count));
      const Tensors gradients = norm->gradients(gain.defined() ? d * gain : d, w, n, inner);
      dx.narrow(0, first, count).copy_(gradients[0]);
      Tensors& part = parts[static_cast<std::size_t>(block)];
      part.push_back(gain.defined() ? at::sum_to(d * n, gain.sizes()) : at::Tensor());
      part.push_back(bias.defined() ? at::sum_to(d, bias.sizes()) : at::Tensor());
      for (std::size_t i = 0; i < inner.size(); ++i) part.push_back(at::sum_to(gradients[i + 1], inner[i].sizes()));
    });
    Tensors out{{}, {}, dx.view(x.sizes())};  // the norm and the type have no gradient
    for (std::size_t i = 0; i < 2 + inner.size(); ++i) out.push_back(total(parts, i));
    return out;
  }

  /// The sum of every block's i-th tensor, in the order of the blocks.
  static at::Tensor total(const std::vector<Tensors>& parts, std::size_t i) {
    if (parts.empty() || !parts[0][i].defined()) return {};
    at::Tensor sum = parts[0][i].clone();
    for (std::size_t block = 1; block < parts.size(); ++block) sum += parts[block][i];
    return sum;
  }
};

at::Tensor ClosedFormNorm::apply(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias,
                                 const NormInput& input) const {
  Tensors inner;
  for (const Param& param : inner_) inner.push_back(param.compute());
  const at::ScalarType type = input.out_type.value_or(x.scalar_type());
  if (!at::GradMode::is_enabled()) return ClosedFormFunction::evaluate(this, type, x, gain, bias, inner);
  return ClosedFormFunction::apply(this, type, x, ops::if_defined(gain), ops::if_defined(bias), at::TensorList(inner));
}

at::Tensor ClosedFormNorm::forward(const at::Tensor& x, const NormInput& input) const {
  return apply(x, gain_ ? gain_.compute() : at::Tensor(), bias_ ? bias_.compute() : at::Tensor(), input);
}

at::Tensor with_affine(const at::Tensor& n, const ParamMap& params) {
  at::Tensor y = n;
  if (const auto gain = params.find("gain"); gain != params.end()) y = y * gain->second;
  if (const auto bias = params.find("bias"); bias != params.end()) y = y + bias->second;
  return y;
}

}  // namespace ingot::norms
