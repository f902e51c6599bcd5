// A norm on its way out: y = gain · c / s + bias,  c = x - mean x (of: layer_norm) or x (of: rms_norm)
//
//   x [..., d]; own = sqrt(mean c² + eps) of each token. s = own until `freeze.at` updates were applied, so that the
//   norm is the one it replaces; from then on s is the number
//     std <- momentum · std + (1 - momentum) · mean over tokens of own,   one move an update, the first one to the
//       mean,
//   as it was then. What remains is linear and folds into the next product. With `merge` the first token of a document
//   (attention's sink, far longer than the others) stays out of std and keeps a number of its own until then.
//   A site of sub-layer i changes floor(gap · i) updates after `at`; the final norm at `at`. penalty: training adds
//   penalty · (own - std)² to each token's loss, with std of the step's start; the metrics call their sum over sites
//   frozen_norm. gain [d] starts at 1, bias [d] at 0. Everything in fp32, one rounding.
//   Baroni et al. 2025, "Transformers Don't Need LayerNorm at Inference Time", arXiv:2507.02559; there std holds the
//   last batch's mean at the freeze, attention's q, k and v change apart, and the penalty's target is the batch's mean.

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
    if (config.penalty > 0) distance_ = context.scope.declare_loss("frozen_norm");
    // 0: not seen yet.
    const auto move = [momentum = config.momentum, last = freeze_](const at::Tensor& value, const at::Tensor& mean,
                                                                   std::int64_t number) {
      return number <= last ? at::where(value == 0, mean, norms::moving(value, mean, momentum)) : value;
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
  /// [n, 1] of x's rows: whether a row is the first token of a document; undefined where that makes no difference.
  at::Tensor first_rows(const at::Tensor& x, const NormInput& input) const;
  at::Tensor divisor(const at::Tensor& own, const at::Tensor& first, std::int64_t updates) const;
  void record(const at::Tensor& own, const at::Tensor& first) const;

  Config config_;
  std::int64_t freeze_ = 0, merge_ = 0;
  Param gain_, bias_;
  Buffer std_, first_std_;
  LossTerm distance_;
};

/// y, and with a penalty the distance = sum over tokens of (own - target)², with target = std of the step's start; 0
/// before there is one. With c = centred x: while s = own, dc = (g - c mean(g c) / s²) / s, then g / s; of the
/// distance, 2 (own - target) / own c / d. Centring is its own transpose.
struct FrozenFunction : torch::autograd::Function<FrozenFunction> {
  static norms::Tensors forward(torch::autograd::AutogradContext* context, const FrozenNorm* norm,
                                at::ScalarType out_type, std::int64_t updates, bool record, const at::Tensor& x,
                                const at::Tensor& gain, const std::optional<at::Tensor>& bias,
                                const std::optional<at::Tensor>& is_first) {
    const at::Tensor c = norm->centred(norms::wide(x).reshape({-1, x.size(-1)}));
    const at::Tensor own = norms::root_mean_square(c, norm->config_.eps);
    const at::Tensor first = is_first.value_or(at::Tensor());
    if (record) norm->record(own, first);
    const at::Tensor s = norm->divisor(own, first, updates);
    const at::Tensor target = norm->std_.value().clone();
    context->save_for_backward({x, gain, s, target});
    context->saved_data["norm"] = reinterpret_cast<std::int64_t>(norm);
    context->saved_data["varies"] = updates < norm->freeze_;
    context->saved_data["has_bias"] = bias.has_value();
    context->set_materialize_grads(false);
    at::Tensor y = c / s * gain;
    if (bias) y = y + *bias;
    y = y.view(x.sizes()).to(out_type);
    if (norm->config_.penalty == 0) return {y};
    return {y, distance(own, target).square().sum()};
  }

  static norms::Tensors backward(torch::autograd::AutogradContext* context, const norms::Tensors& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "norms have no second derivative");
    const auto* norm = reinterpret_cast<const FrozenNorm*>(context->saved_data["norm"].toInt());
    const norms::Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &s = saved[2], &target = saved[3];
    const at::Tensor c = norm->centred(norms::wide(x).reshape({-1, x.size(-1)}));
    const at::Tensor d = dy[0].defined() ? norms::wide(dy[0]).reshape(c.sizes()) : at::zeros_like(c);
    const at::Tensor g = d * gain;
    at::Tensor dc = (context->saved_data["varies"].toBool() ? g - c * (norms::row_mean(g * c) / s.square()) : g) / s;
    if (dy.size() > 1 && dy[1].defined()) {
      const at::Tensor own = norms::root_mean_square(c, norm->config_.eps);
      dc = dc + (2.0 / static_cast<double>(c.size(1)) * dy[1]) * distance(own, target) / own * c;
    }
    const at::Tensor dx = norm->centred(dc).view(x.sizes()).to(x.scalar_type());
    const bool has_bias = context->saved_data["has_bias"].toBool();
    return {{}, {}, {}, {}, dx, (d * c / s).sum(0), has_bias ? d.sum(0) : at::Tensor(), {}};
  }

 private:
  static at::Tensor distance(const at::Tensor& own, const at::Tensor& target) {
    return at::where(target > 0, own - target, at::zeros_like(own));
  }
};

at::Tensor FrozenNorm::forward(const at::Tensor& x, const NormInput& input) const {
  const SequenceContext* sequence = input.sequence;
  const norms::Tensors y = FrozenFunction::apply(
      this, input.out_type.value_or(x.scalar_type()), norms::updates_of(input),
      sequence != nullptr && sequence->counts(), x, gain_.compute(),
      ops::if_defined(bias_ ? bias_.compute() : at::Tensor()), ops::if_defined(first_rows(x, input)));
  if (config_.penalty == 0 || sequence == nullptr) return y[0];
  return sequence->add_loss(y[0], distance_, config_.penalty, y[1]);
}

at::Tensor FrozenNorm::first_rows(const at::Tensor& x, const NormInput& input) const {
  if (!config_.merge || input.sequence == nullptr) return {};
  at::Tensor first = input.sequence->position == input.sequence->prefix;  // [B or 1, T]
  while (first.dim() < x.dim() - 1) first = first.unsqueeze(-1);          // a stream of several
  return first.expand(x.sizes().slice(0, x.sizes().size() - 1)).reshape({-1, 1});
}

at::Tensor FrozenNorm::divisor(const at::Tensor& own, const at::Tensor& first, std::int64_t updates) const {
  if (updates < freeze_) return own;
  if (!first.defined() || updates >= merge_) return std_.value().expand_as(own);
  return at::where(first.logical_and(first_std_.value() > 0), first_std_.value(), std_.value());
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

LinearNorm linear_form(const Config& config, int depth, std::int64_t updates, const ParamMap& buffers) {
  LinearNorm out{config.of == Base::kLayerNorm, buffers.at("std").item<double>(), {}};
  const auto needed = linear_after(config, depth);
  if (updates < needed) {
    const bool frozen = updates >= config.freeze.updates(depth);
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
  using namespace frozen_norm;
  auto& e = add_entry<Config, FrozenNorm>(
      family, "frozen_norm", "A norm whose divisor becomes one number during training, so that it can be removed.",
      "Baroni et al. 2025, arXiv:2507.02559");
  e.neutral_gain = norms::neutral_at_one;
  e.linear_form = with_settings<Config>(linear_form);
  e.text = with_settings<Config>(when);
  e.flops_per_element = 7;
  e.samples = named_samples<Config>(
      {{"default", {}}, {"bias", {.bias = true}}, {"rms_norm", {.of = Base::kRmsNorm, .merge = Moment{9}}}});
}

}  // namespace ingot
