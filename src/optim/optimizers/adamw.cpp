// Adam with decoupled weight decay.
//
//   g = s·G                            s: 1/tokens and clipping; with coupled decay g = s·G + λ·w
//   m = β1·m + (1 - β1)·g
//   v = β2·v + (1 - β2)·g²
//   w = (1 - η·λ)·w - η · m/(1 - β1^t) / (sqrt(v/(1 - β2^t)) + ε)
//
// w: master, G: its gradient, η: learning rate, λ: weight decay, t: update from 1. Elementwise. State m, v: 8 bytes for
// each fp32 parameter. eps is added outside the root and after the bias correction, as in torch.optim.AdamW.
// Kingma & Ba 2015 (arXiv:1412.6980), algorithm 1; Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2 with the
// decay multiplied by the learning rate.

#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/units.h"
#include "device/gpu.h"
#include "optim/kernels/cuda.h"
#include "optim/kernels/update_kernels.h"
#include "optim/runs.h"

namespace ingot::adamw {
namespace {

struct AdamwConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = true;
};

void describe(Fields& f, AdamwConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("decoupled", c.decoupled, "decay the weights themselves (AdamW) instead of adding it to the gradient (Adam)");
}

/// Factors of one update, in double.
struct Step {
  double keep, l2, step_size, root_bias_correction;
};

class Adamw final : public Optimizer {
 public:
  Adamw(const AdamwConfig& config, bool use_kernels) : config_(config), use_kernels_(use_kernels) {
    if (config.betas.size() != 2) {
      throw ConfigError(cat("adamw: betas: expected two numbers, got ", config.betas.size()));
    }
  }

  Granularity granularity() const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override { return {{"exp_avg", nullptr}, {"exp_avg_sq", nullptr}}; }

  void step(std::vector<Slot>& slots, const UpdateContext& context) const override {
    for (const auto& run : runs_of(slots)) {
      const Step constants = constants_of(run, context.update);
      if (!use_kernels_ || !runs_on_kernels(run)) {
        update(run, constants, context.grad_scale);
      } else if (run.value.scalar_type() == at::kDouble) {
        fused_update<double>(run, constants, context.grad_scale);
      } else {
        fused_update<float>(run, constants, context.grad_scale);
      }
    }
  }

 private:
  Step constants_of(const Run& run, std::int64_t t) const {
    const double decay = run.weight_decay;
    return {config_.decoupled ? 1 - run.lr * decay : 1.0, config_.decoupled ? 0.0 : decay,
            run.lr / (1 - std::pow(config_.betas[0], t)), 1 / std::sqrt(1 - std::pow(config_.betas[1], t))};
  }

  /// The formula in plain tensor operations, for any device.
  void update(const Run& run, const Step& c, double grad_scale) const {
    at::Tensor w = run.value, m = run.states[0], v = run.states[1];
    at::Tensor g = run.grad.mul(grad_scale);
    if (c.l2 != 0) g.add_(w, c.l2);
    m.lerp_(g, 1 - config_.betas[0]);
    v.mul_(config_.betas[1]).addcmul_(g, g, 1 - config_.betas[1]);
    const at::Tensor denominator = v.sqrt().mul_(c.root_bias_correction).add_(config_.eps);
    w.mul_(c.keep).addcdiv_(m, denominator, -c.step_size);
  }

  template <class T>
  void fused_update(const Run& run, const Step& c, double grad_scale) const {
    const auto to = [](double x) { return static_cast<T>(x); };
    const update_kernels::Adam<T> constants = {to(grad_scale),
                                               to(c.keep),
                                               to(c.l2),
                                               to(1 - config_.betas[0]),
                                               to(config_.betas[1]),
                                               to(1 - config_.betas[1]),
                                               to(c.step_size),
                                               to(c.root_bias_correction),
                                               to(config_.eps)};
    T* w = run.value.data_ptr<T>();
    const T* g = run.grad.const_data_ptr<T>();
    T* m = run.states[0].data_ptr<T>();
    T* v = run.states[1].data_ptr<T>();
    if constexpr (std::is_same_v<T, float>) {
      if (run.value.is_cuda()) {
        INGOT_GPU_FUNCTION(ingot_cuda_adam)(w, g, m, v, run.value.numel(), constants, gpu_stream());
        return;
      }
    }
    parallel_for(0, run.value.numel(), kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
      update_kernels::adam(w + begin, g + begin, m + begin, v + begin, end - begin, constants);
    });
  }

  AdamwConfig config_;
  bool use_kernels_;
};

}  // namespace
}  // namespace ingot::adamw

namespace ingot {

void register_adamw(Family<OptimizerEntry>& family) {
  using adamw::AdamwConfig;
  auto& entry = family.add<AdamwConfig>("adamw", "Adam with decoupled weight decay",
                                        "Loshchilov & Hutter 2019, arXiv:1711.05101");
  entry.make = with_settings<AdamwConfig>([](const AdamwConfig& c) { return std::make_unique<adamw::Adamw>(c, true); });
  entry.make_plain =
      with_settings<AdamwConfig>([](const AdamwConfig& c) { return std::make_unique<adamw::Adamw>(c, false); });
  entry.lr = with_settings<AdamwConfig>([](const AdamwConfig& c) { return c.lr; });
  entry.weight_decay = with_settings<AdamwConfig>([](const AdamwConfig& c) { return c.weight_decay; });
}

}  // namespace ingot
