#include "support/gradcheck.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace ingot::testing {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

namespace {

struct Target {
  std::string name;
  at::Tensor value;     // perturbed in place
  at::Tensor gradient;  // of the loss, a copy
};

double dot(const at::Tensor& a, const at::Tensor& b) { return a.mul(b).sum().item<double>(); }

double norm(const at::Tensor& a) { return std::sqrt(dot(a, a)); }

std::uint64_t next_seed(std::uint64_t& seed) { return seed = seed * 6364136223846793005ULL + 1442695040888963407ULL; }

/// The loss of the outputs against fixed weights, and the sum of the absolute values of its terms: round-off is
/// relative to the latter.
struct Loss {
  double value = 0;
  double magnitude = 0;
};

Loss weigh(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& weights) {
  Loss loss;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const at::Tensor terms = outputs[i].detach().mul(weights[i]);
    loss.value += terms.sum().item<double>();
    loss.magnitude += terms.abs().sum().item<double>();
  }
  return loss;
}

AssertionResult check_direction(const CheckedFunction& f, const std::vector<at::Tensor>& inputs,
                                const std::vector<at::Tensor>& weights, const Target& target,
                                const GradCheckOptions& options, std::uint64_t seed) {
  at::Tensor value = target.value.detach();
  const at::Tensor start = value.clone();
  const double rms = norm(start) / std::sqrt(static_cast<double>(start.numel()));
  const double h = options.step * (rms > 0 ? rms : 1);
  const at::Tensor d = random_normal(value.sizes(), seed);
  Loss above, below;
  {
    at::NoGradGuard no_grad;
    value.copy_(start.add(d, h));
    above = weigh(f(inputs), weights);
    value.copy_(start.sub(d, h));
    below = weigh(f(inputs), weights);
    value.copy_(start);
  }
  const double numeric = (above.value - below.value) / (2 * h);
  const double analytic = dot(target.gradient, d);
  const double size = std::max({std::abs(numeric), std::abs(analytic), norm(target.gradient)});
  const double roundoff = 0x1p-50 * (above.magnitude + below.magnitude) / h;
  const double error = std::abs(numeric - analytic);
  if (error <= options.relative * size + roundoff) return AssertionSuccess();  // also false for NaN
  return AssertionFailure() << target.name << ": directional derivative is " << numeric << " by differences, "
                            << analytic << " by backward (error " << error << ", allowed "
                            << options.relative * size + roundoff << ")";
}

}  // namespace

AssertionResult gradcheck(const CheckedFunction& f, const std::vector<at::Tensor>& inputs,
                          const std::vector<CheckedParameter>& parameters, const GradCheckOptions& options) {
  std::uint64_t seed = options.seed;
  std::vector<at::Tensor> leaves = inputs;
  std::vector<Target> targets;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].defined() || !leaves[i].is_floating_point()) continue;
    if (leaves[i].scalar_type() != at::kDouble) return AssertionFailure() << "input " << i << " is not fp64";
    leaves[i] = leaves[i].detach().clone().requires_grad_();
    targets.push_back({"input " + std::to_string(i), leaves[i], {}});
  }
  for (const auto& p : parameters) {
    if (p.value.scalar_type() != at::kDouble) return AssertionFailure() << p.name << " is not fp64";
    p.grad.detach().zero_();
    targets.push_back({p.name, p.value, {}});
  }

  const std::vector<at::Tensor> outputs = f(leaves);
  std::vector<at::Tensor> weights;
  at::Tensor loss;
  for (const auto& out : outputs) {
    if (out.scalar_type() != at::kDouble) return AssertionFailure() << "output " << weights.size() << " is not fp64";
    weights.push_back(random_normal(out.sizes(), next_seed(seed)));
    const at::Tensor term = out.mul(weights.back()).sum();
    loss = loss.defined() ? loss.add(term) : term;
  }
  if (!loss.defined() || !loss.requires_grad()) return AssertionFailure() << "no output requires a gradient";
  if (!std::isfinite(loss.item<double>())) return AssertionFailure() << "outputs are not finite";
  loss.backward();

  std::size_t input = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::size_t first_parameter = targets.size() - parameters.size();
    at::Tensor grad = i < first_parameter ? targets[i].value.grad() : parameters[i - first_parameter].grad;
    if (i < first_parameter) ++input;
    targets[i].gradient = grad.defined() ? grad.detach().clone() : at::zeros_like(targets[i].value.detach());
  }
  for (const auto& target : targets) {
    if (target.value.numel() == 0) continue;
    for (int i = 0; i < options.directions; ++i) {
      auto result = check_direction(f, leaves, weights, target, options, next_seed(seed));
      if (!result) return result;
    }
  }
  return AssertionSuccess();
}

}  // namespace ingot::testing
