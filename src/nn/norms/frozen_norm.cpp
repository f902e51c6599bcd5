// A norm on its way out: y = gain · c / s + bias,  c = x - mean x (of: layer_norm) or x (of: rms_norm)
//
//   x [..., d]; own = sqrt(mean c² + eps) of each token. s = own until `freeze.at` updates were applied, so that the norm is
//   the one it replaces; from then on s is the number
//     std <- momentum · std + (1 - momentum) · mean over tokens of own,   one move an update, the first one to the mean,
//   as it was then. What remains is linear and folds into the next product. With `merge` the first token of a document
//   (attention's sink, far longer than the others) stays out of std and keeps a number of its own until then.
//   A site of sub-layer i changes floor(gap · i) updates after `at`; the final norm at `at`. penalty: training adds
//   penalty · (own - std)² to each token's loss, with std of the step's start; reported losses are without it.
//   gain [d] starts at 1, bias [d] at 0. Everything in fp32, one rounding.
//   Baroni et al. 2025, "Transformers Don't Need LayerNorm at Inference Time", arXiv:2507.02559; there std holds the last
//   batch's mean at the freeze, attention's q, k and v change apart, and the penalty's target is the batch's mean.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/context.h"
#include "nn/running_norm.h"
#include "ops/kernel_types.h"
#include "ops/recompute/recompute.h"

namespace ingot {
namespace frozen_norm {

enum class Base { kLayerNorm, kRmsNorm };

/// Something that happens once, the later the deeper.
struct Moment {
  std::int64_t at = 1;
  double gap = 0;
  /// In applied updates; depth -1: a site of the model.
  std::int64_t updates(int depth) const { return at + static_cast<std::int64_t>(std::floor(gap * std::max(depth, 0))); }
};

void describe(Fields& f, Moment& c) {
  f.field("at", c.at, "updates after which it happens", Rule{}.at_least(1).at_most(limits::kUpdates));
  f.field("gap", c.gap, "how many updates later it happens for each further sub-layer",
          Rule{}.at_least(0).at_most(limits::kUpdates));
}

struct Config {
  Base of = Base::kLayerNorm;
  Moment freeze{};
  std::optional<Moment> merge{};
  double momentum = 0.9;
  double penalty = 0;
  bool bias = false;
  double eps = 1e-5;
};

void describe(Fields& f, Config& c) {
  f.choice("of", c.of, {{"layer_norm", Base::kLayerNorm}, {"rms_norm", Base::kRmsNorm}}, "the norm that is removed");
  f.field("freeze", c.freeze, "when every token is divided by the same number");
  f.field("merge", c.merge,
          "when the first token of a document is divided by that number too, until then by its own; absent: together "
          "with the others");
  f.field("momentum", c.momentum, "share of that number that each step keeps", Rule{}.at_least(0).below(1));
  f.field("penalty", c.penalty,
          "weight in the loss of the squared distance between each token's divisor and that number",
          Rule{}.at_least(0));
  f.field("bias", c.bias, "whether a learned bias is added");
  f.field("eps", c.eps, "added to the variance or mean square before the root", Rule{}.above(0));
}

/// Updates after which the norm is linear.
std::int64_t linear_after(const Config& config, int depth) {
  const auto frozen = config.freeze.updates(depth);
  return config.merge ? std::max(frozen, config.merge->updates(depth)) : frozen;
}

class FrozenNorm final : public Norm {
 public:
  using Norm::forward;

  FrozenNorm(const Config& config, const NormContext& context)
      : config_(config), freeze_(config.freeze.updates(context.depth)) {
    norms::check_running_site("frozen_norm", context.site);
    gain_ = context.scope.declare(norms::vector_spec("gain", context.width, context.gain_start));
    if (config.bias) bias_ = context.scope.declare(bias_spec("bias", context.width));
    steps_ = norms::step_buffer(context.scope);  // first, so that the others see the number of the step they apply
    // 0: not seen yet.
    const auto move = [steps = steps_, momentum = config.momentum, last = freeze_](const at::Tensor& value,
                                                                                   const at::Tensor& mean) {
      const at::Tensor moved = at::where(value == 0, mean, norms::moving(value, mean, momentum));
      return at::where(steps.value() <= last, moved, value);
    };
    std_ = norms::mean_buffer(context.scope, "std", {1}, 0, move);
    if (config.merge) {
      merge_ = config.merge->updates(context.depth);
      first_std_ = norms::mean_buffer(context.scope, "first_std", {1}, 0, move);
    }
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override;

 private:
  friend struct FrozenFunction;

  at::Tensor centred(const at::Tensor& rows) const {
    return config_.of == Base::kLayerNorm ? rows - norms::row_mean(rows) : rows;
  }
  at::Tensor has_passed(std::int64_t updates) const { return steps_.value() >= updates; }
  /// [n, 1] of x's rows: whether a row is the first token of a document; undefined where that makes no difference.
  at::Tensor first_rows(const at::Tensor& x, const NormInput& input) const;
  at::Tensor divisor(const at::Tensor& own, const at::Tensor& first) const;
  void record(const at::Tensor& own, const at::Tensor& first) const;

  Config config_;
  std::int64_t freeze_ = 0, merge_ = 0;
  Param gain_, bias_;
  Buffer steps_, std_, first_std_;
};

/// With c = centred x: while s = own, dc = (g - c mean(g c) / s²) / s, then g / s; centring is its own transpose.
struct FrozenFunction : torch::autograd::Function<FrozenFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const FrozenNorm* norm, at::ScalarType out_type,
                            bool training, bool record, const at::Tensor& x, const at::Tensor& gain,
                            const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& is_first) {
    const at::Tensor c = norm->centred(norms::wide(x).reshape({-1, x.size(-1)}));
    const at::Tensor own = norms::root_mean_square(c, norm->config_.eps);
    const at::Tensor first = is_first.value_or(at::Tensor());
    if (record) norm->record(own, first);
    const at::Tensor s = norm->divisor(own, first);
    const at::Tensor varies = norm->has_passed(norm->freeze_).logical_not().to(s.scalar_type());
    // Towards the mean, once there is one.
    const at::Tensor target = norm->std_.value().clone();
    context->save_for_backward({x, gain, s, varies, target});
    context->saved_data["norm"] = reinterpret_cast<std::int64_t>(norm);
    context->saved_data["training"] = training;
    context->saved_data["has_bias"] = bias.has_value();
    at::Tensor y = c / s * gain;
    if (bias) y = y + *bias;
    return y.view(x.sizes()).to(out_type);
  }

  static norms::Tensors backward(torch::autograd::AutogradContext* context, const norms::Tensors& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norms have no second derivative");
    const auto* norm = reinterpret_cast<const FrozenNorm*>(context->saved_data["norm"].toInt());
    const norms::Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &s = saved[2], &varies = saved[3], &target = saved[4];
    const at::Tensor c = norm->centred(norms::wide(x).reshape({-1, x.size(-1)}));
    const at::Tensor d = norms::wide(dy[0]).reshape(c.sizes());
    const at::Tensor g = d * gain;
    at::Tensor dc = (g - varies * c * (norms::row_mean(g * c) / s.square())) / s;
    if (const double penalty = norm->config_.penalty; penalty > 0 && context->saved_data["training"].toBool()) {
      const at::Tensor own = norms::root_mean_square(c, norm->config_.eps);
      const at::Tensor distance = at::where(target > 0, own - target, at::zeros_like(own));
      dc = dc + (2 * penalty / static_cast<double>(c.size(1))) * distance / own * c;
    }
    const at::Tensor dx = norm->centred(dc).view(x.sizes()).to(x.scalar_type());
    const bool has_bias = context->saved_data["has_bias"].toBool();
    return {{}, {}, {}, {}, dx, (d * c / s).sum(0), has_bias ? d.sum(0) : at::Tensor(), {}};
  }
};

at::Tensor FrozenNorm::forward(const at::Tensor& x, const NormInput& input) const {
  const SequenceContext* sequence = input.sequence;
  const bool training = sequence != nullptr && sequence->training && sequence->record_buffers;
  return FrozenFunction::apply(
      this, input.out_type.value_or(x.scalar_type()), training, training && !ops::recomputing(), x, gain_.compute(),
      ops::if_defined(bias_ ? bias_.compute() : at::Tensor()), ops::if_defined(first_rows(x, input)));
}

at::Tensor FrozenNorm::first_rows(const at::Tensor& x, const NormInput& input) const {
  if (!config_.merge || input.sequence == nullptr) return {};
  at::Tensor first = input.sequence->position == input.sequence->prefix;  // [B or 1, T]
  while (first.dim() < x.dim() - 1) first = first.unsqueeze(-1);          // a stream of several
  return first.expand(x.sizes().slice(0, x.sizes().size() - 1)).reshape({-1, 1});
}

at::Tensor FrozenNorm::divisor(const at::Tensor& own, const at::Tensor& first) const {
  at::Tensor fixed = std_.value();
  if (first.defined()) {
    const at::Tensor apart = first.logical_and(has_passed(merge_).logical_not()).logical_and(first_std_.value() > 0);
    fixed = at::where(apart, first_std_.value(), fixed);
  }
  return at::where(has_passed(freeze_), fixed, own);
}

void FrozenNorm::record(const at::Tensor& own, const at::Tensor& first) const {
  if (!first.defined()) return norms::record_rows(std_, own);
  const at::Tensor is_first = first.to(own.scalar_type());
  norms::record_rows(first_std_, own, is_first);
  norms::record_rows(std_, own, 1 - is_first);
}

/// With the buffers' start values: the norm that is removed.
at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  at::Tensor c = norms::wide(x);
  if (config.of == Base::kLayerNorm) c = c - c.mean(-1, true);
  return norms::with_affine(c / (c.square().mean(-1, true) + config.eps).sqrt(), params).to(x.scalar_type());
}

LinearNorm linear_form(const Config& config, int depth, const ParamMap& buffers) {
  LinearNorm out{config.of == Base::kLayerNorm, buffers.at("std").item<double>(), {}};
  const auto updates = buffers.at("steps").item<double>(), needed = static_cast<double>(linear_after(config, depth));
  if (updates < needed) {
    const bool frozen = updates >= static_cast<double>(config.freeze.updates(depth));
    out.reason = cat("is linear after ", needed, " updates",
                     frozen ? ", when the first token's number is merged with the others'" : "", ", but has seen ",
                     updates, "; train on, or choose an earlier ", frozen ? "merge" : "freeze");
  }
  return out;
}

std::string when(const Config& config, int depth) {
  const auto frozen = config.freeze.updates(depth), linear = linear_after(config, depth);
  return cat("frozen after update ", frozen, linear > frozen ? cat(", linear after ", linear) : "");
}

}  // namespace frozen_norm

void register_frozen_norm(Family<NormEntry>& family) {
  using frozen_norm::Base, frozen_norm::Config;
  NormEntry& e = family.add<Config>(
      "frozen_norm", "A norm whose divisor becomes one number during training, so that it can be removed.",
      "Baroni et al. 2025, arXiv:2507.02559");
  e.make = norms::maker<frozen_norm::FrozenNorm, Config>();
  e.reference = with_settings<Config>(frozen_norm::reference);
  e.num_parameters =
      with_settings<Config>([](const Config& config, std::int64_t width) { return config.bias ? 2 * width : width; });
  e.neutral_gain = norms::neutral_at_one;
  e.linear_form = with_settings<Config>(frozen_norm::linear_form);
  e.text = with_settings<Config>(frozen_norm::when);
  e.flops_per_element = 7;
  e.samples = norms::samples<Config>({{"default", {}},
                                      {"bias", {.bias = true}},
                                      {"rms_norm", {.of = Base::kRmsNorm, .merge = frozen_norm::Moment{9}}}});
}

}  // namespace ingot
