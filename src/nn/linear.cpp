#include "nn/linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <cmath>

#include "base/text.h"
#include "ops/linear/linear.h"

namespace ingot {

namespace {

std::shared_ptr<const LinearOutput> output_of(const LinearScope& scope, const ParamSpec& spec) {
  if (scope.kind == nullptr) return nullptr;
  const std::string suffix = ".weight";
  LinearContext linear{scope.scope, spec.name.substr(0, spec.name.size() - suffix.size()), spec.shape.front(),
                       spec.roles.has(Role::kWritesStream), scope.num_sublayers};
  return scope.kind->entry().make(scope.kind->settings(), linear);
}

at::Tensor product_of(const WeightLeaf& leaf, const at::Tensor& x) {
  at::Tensor product = ops::linear(x, leaf.weight(), leaf.grad());
  if (leaf.fit(product)) product = ops::linear(x, leaf.weight(), leaf.grad());
  return product;
}

}  // namespace

Linear::Linear(const ParamScope& scope, const ParamSpec& spec) : leaf_(scope.leaf_of(scope.declare(spec))) {}

Linear::Linear(const LinearScope& scope, const ParamSpec& spec) : Linear(scope.scope, spec) {
  output_ = output_of(scope, spec);
}

at::Tensor Linear::forward(const at::Tensor& x) const {
  const at::Tensor product = product_of(leaf_, x);
  return output_ ? output_->forward(product) : product;
}

at::Tensor Linear::forward(const ops::Piece& piece, const std::vector<at::Tensor>& inputs, bool recompute) const {
  if (!recompute || !at::GradMode::is_enabled()) return forward(piece(inputs));
  const at::Tensor product = ops::recomputed_linear(piece, inputs, leaf_.weight(), leaf_.grad());
  return output_ ? output_->forward(product) : product;
}

JoinedLinear::JoinedLinear(const ParamScope& scope, const std::vector<ParamSpec>& specs)
    : leaf_(scope.leaf_of(scope.declare_joined(specs).front())) {}

std::vector<at::Tensor> JoinedLinear::forward(const at::Tensor& x) const {
  return forward_joined(x).split_with_sizes(leaf_.rows(), -1);
}

JoinedLinear::JoinedLinear(const LinearScope& scope, const std::vector<ParamSpec>& specs)
    : JoinedLinear(scope.scope, specs) {
  for (const ParamSpec& spec : specs) outputs_.push_back(output_of(scope, spec));
  if (outputs_.front() == nullptr) outputs_.clear();
}

at::Tensor JoinedLinear::forward_joined(const at::Tensor& x) const {
  const at::Tensor product = product_of(leaf_, x);
  if (outputs_.empty()) return product;
  std::vector<at::Tensor> parts = product.split_with_sizes(leaf_.rows(), -1);
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = outputs_[i]->forward(parts[i]);
  return at::cat(parts, -1);
}

ParamSpec reads_stream_spec(std::string name, std::string part, std::int64_t out, std::int64_t d_model,
                            std::int64_t head_rows) {
  ParamSpec spec{std::move(name), {out, d_model}, Role::kReadsStream, std::move(part), 1, nullptr, ""};
  spec.head_rows = head_rows;
  return spec;
}

ParamSpec writes_stream_spec(std::string name, std::string part, std::int64_t d_model, std::int64_t in) {
  return {std::move(name), {d_model, in}, Role::kWritesStream, std::move(part), 0, nullptr, ""};
}

ParamSpec gain_spec(std::string name, std::int64_t width) {
  return {std::move(name), {width}, Role::kGain, "", -1, constant_init(1), "ones"};
}

ParamSpec bias_spec(std::string name, std::int64_t width) {
  return {std::move(name), {width}, Role::kBias, "", -1, constant_init(0), "zeros"};
}

namespace {

/// The same for taps and bias: what a convolution over one channel of `taps` inputs gets by default elsewhere.
void set_conv_init(ParamSpec& spec, std::int64_t taps) {
  const double bound = 1 / std::sqrt(static_cast<double>(taps));
  spec.fixed_init = uniform_init(-bound, bound);
  spec.fixed_init_name = cat("uniform(", -bound, ", ", bound, ")");
}

}  // namespace

ParamSpec conv_weight_spec(std::string name, std::string part, std::int64_t channels, std::int64_t taps) {
  ParamSpec spec{std::move(name), {channels, taps}, Role::kConv, std::move(part), -1, nullptr, ""};
  set_conv_init(spec, taps);
  return spec;
}

ParamSpec conv_bias_spec(std::string name, std::int64_t channels, std::int64_t taps) {
  ParamSpec spec = bias_spec(std::move(name), channels);
  set_conv_init(spec, taps);
  return spec;
}

}  // namespace ingot
