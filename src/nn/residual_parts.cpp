#include "nn/residual_parts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/rsqrt.h>

#include "base/error.h"
#include "base/text.h"
#include "ops/kernel_types.h"

namespace ingot::residuals {

ScaledResidual::ScaledResidual(const ResidualContext& context) {
  for (int depth = 0; depth < context.num_sublayers; ++depth) {
    branch_.push_back(context.branch_scale ? context.branch_scale(depth) : 1.0);
    skip_.push_back(context.skip_scale ? context.skip_scale(depth) : 1.0);
  }
}

Stream ScaledResidual::join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& pass) const {
  const auto n = static_cast<std::size_t>(depth);
  const at::Tensor& x = stream.tensors.front();
  return {{add_branch(skipped(depth, x), skip_.at(n), scaled(depth, branch, pass), branch_.at(n)).to(x.scalar_type())}};
}

at::Tensor add_branch(const at::Tensor& x, double skip, const at::Tensor& branch, double scale) {
  return at::add(skip == 1.0 ? x : x * skip, branch, scale).to(x.scalar_type());
}

void refuse_factors(const ResidualContext& context, const std::string& rule) {
  for (int depth = 0; depth < context.num_sublayers; ++depth) {
    const double branch = context.branch_scale ? context.branch_scale(depth) : 1.0;
    const double skip = context.skip_scale ? context.skip_scale(depth) : 1.0;
    if (branch == 1.0 && skip == 1.0) continue;
    throw ConfigError(cat("model.residual: ", rule, " has no place for the placement's factors (branch x ", branch,
                          ", skip x ", skip, " at sub-layer ", depth,
                          "), expected residual 'add' or a placement without factors"));
  }
}

std::vector<Param> declare_each(const ResidualContext& context, const std::function<ParamSpec(int depth)>& spec) {
  std::vector<Param> params;
  for (int depth = 0; depth < context.num_sublayers; ++depth) {
    params.push_back(context.scope(depth).declare(spec(depth)));
  }
  return params;
}

Stream ManyStreams::begin(const at::Tensor& x) const {
  return {{x.unsqueeze(2).expand({x.size(0), x.size(1), streams_, x.size(2)})}};
}

Stream ManyStreams::begin_at(int /*depth*/, const at::Tensor& x) const {
  return {{begin(x).tensors.front().contiguous()}};
}

at::Tensor wide(const at::Tensor& x) { return x.to(ops::wide_type(x.scalar_type())); }

at::Tensor unit_rms(const at::Tensor& x) {
  const at::Tensor w = wide(x);
  return w * (w.square().mean(-1, true) + 1e-6).rsqrt();
}

}  // namespace ingot::residuals
