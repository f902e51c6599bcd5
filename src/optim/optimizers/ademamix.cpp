// AdEMAMix: Adam with a second, slow average of gradients beside the fast one.
//
//   m1 = β1·m1 + (1 - β1)·g
//   m2 = β3_t·m2 + (1 - β3_t)·g          its bias is not corrected
//   v  = β2·v + (1 - β2)·g²
//   w  = (1 - η·λ)·w - η · (m1/(1 - β1^t) + α_t·m2) / (sqrt(v/(1 - β2^t)) + ε)
//
//   t < T_α:  α_t  = α·t/T_α
//   t < T_β:  β3_t = ½^(1/(h + 1)),  h = (1 - t/T_β)·h(β1) + t/T_β·h(β3),  h(β) = ln ½ / ln(β + 1e-8) - 1
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, t: update from 1. h is about the half-life of an
// average less 1: it grows evenly. Elementwise. State m1, m2, v: 12 bytes for each fp32 parameter. Pagliardini, Ablin &
// Grangier 2024 (arXiv:2409.03137), algorithm 1 and appendix; constants as in the authors' code, ramps over the whole
// run as in the paper's language models. Their code adds λ·w to the direction, which is the same as the decay here.

#include "optim/optimizers/ademamix.h"

#include <cmath>

#include "base/text.h"
#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"

namespace ingot::ademamix {
namespace {

struct AdemamixConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999, 0.9999};
  double alpha = 8;
  Duration alpha_warmup = {100, Duration::Unit::kPercent};
  Duration beta3_warmup = {100, Duration::Unit::kPercent};
  double eps = 1e-8;
  double weight_decay = 0;
};

void describe(Fields& f, AdemamixConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the fast average, of the square's and of the slow average",
          Rule{}.at_least(0).below(1));
  f.field("alpha", c.alpha, "weight of the slow average beside the fast one", Rule{}.at_least(0));
  f.field("alpha_warmup", c.alpha_warmup, "rise of alpha from 0, in steps or as a share of the run; 0: none");
  f.field("beta3_warmup", c.beta3_warmup,
          "rise of the slow average's half-life from that of the fast one, in steps or as a share of the run; 0: none");
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

/// The ramps with their names.
std::vector<std::pair<std::string, Duration>> ramps_of(const AdemamixConfig& c) {
  return {{"alpha_warmup", c.alpha_warmup}, {"beta3_warmup", c.beta3_warmup}};
}

SettingsProblems validate(const AdemamixConfig& c) {
  auto problems = check_betas<3>(c);
  if (problems.empty() && c.betas[2] < c.betas[0]) {
    problems.push_back(
        {"betas", cat("expected a slow average (", c.betas[2], ") no faster than the fast one (", c.betas[0], ")")});
  }
  for (const auto& [key, ramp] : ramps_of(c)) {
    if (ramp.unit != Duration::Unit::kSteps && ramp.unit != Duration::Unit::kPercent)
      problems.push_back({key, "expected steps, or a percentage of the run"});
  }
  return problems;
}

SettingsProblems warnings(const AdemamixConfig& c, std::int64_t total_updates) {
  SettingsProblems out;
  for (const auto& [key, ramp] : ramps_of(c)) {
    const auto steps = ramp.steps({.total_steps = total_updates});
    if (steps > total_updates) {
      out.push_back({key, cat("a rise over ", format_grouped(steps), " updates in a run of ",
                              format_grouped(total_updates), ": it never ends")});
    }
  }
  return out;
}

/// Share of a ramp that is over, 1 from its end on.
double progress(const Duration& ramp, const UpdateContext& context) {
  const auto length = ramp.steps({.total_steps = context.total_updates});
  return context.update < length ? static_cast<double>(context.update) / static_cast<double>(length) : 1;
}

double slow_beta(const AdemamixConfig& c, const UpdateContext& context) {
  const double done = progress(c.beta3_warmup, context);
  if (done == 1) return c.betas[2];
  const auto span = [](double beta) { return std::log(0.5) / std::log(beta + 1e-8) - 1; };
  return std::pow(0.5, 1 / ((1 - done) * span(c.betas[0]) + done * span(c.betas[2]) + 1));
}

RuleStep<AdemamixRule> prepare(const AdemamixConfig& c, const UpdateContext& context) {
  return {{1 - c.betas[0], c.betas[1], 1 - c.betas[1], 1 - slow_beta(c, context),
           1 / bias_correction(c.betas[0], context), 1 / std::sqrt(bias_correction(c.betas[1], context)), c.eps,
           c.alpha * progress(c.alpha_warmup, context)}};
}

}  // namespace
}  // namespace ingot::ademamix

namespace ingot {

void register_ademamix(Family<OptimizerEntry>& family) {
  using namespace ademamix;
  auto& entry = add_optimizer<AdemamixConfig>(
      family, "ademamix", "Adam with a slow average of gradients beside the fast one.",
      "Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137",
      [](const AdemamixConfig& c) {
        return elementwise<AdemamixRule>(c, {"exp_avg_fast", "exp_avg_slow", "exp_avg_sq"}, prepare);
      },
      validate);
  entry.samples = {"{alpha: 2, alpha_warmup: 5 steps, beta3_warmup: 4 steps}"};
  entry.warnings = with_settings<AdemamixConfig>(warnings);
}

}  // namespace ingot
