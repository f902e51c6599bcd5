// Stochastic gradient descent with momentum.
//
//   g = s·G + λ·w                      s: 1/tokens and clipping
//   b = g                  (t = 1)     or without momentum
//   b = μ·b + (1 - τ)·g    (t > 1)
//   w = w - η·b,  with nesterov  w = w - η·(g + μ·b)
//
// w: master, G: its gradient, η: learning rate, λ: weight decay (in the gradient), μ: momentum, τ: dampening, t: update
// from 1. Elementwise. State b: 4 bytes for each fp32 parameter, none if μ = 0. The buffer sums gradients (it does not
// average them), as in torch.optim.SGD: an exponential average has 1/(1 - μ) times the learning rate.
// Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever et al. 2013, "On the
// importance of initialization and momentum in deep learning", equations 3-4.

#include <ATen/ops/mul.h>

#include "base/error.h"
#include "config/fields.h"
#include "config/units.h"
#include "device/gpu.h"
#include "optim/kernels/cuda.h"
#include "optim/kernels/update_kernels.h"
#include "optim/runs.h"

namespace ingot::sgd {
namespace {

struct SgdConfig {
  double lr = 1e-2;
  double momentum = 0.9;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
};

void describe(Fields& f, SgdConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("momentum", c.momentum, "share of the buffer that is kept; 0: no buffer", Rule{}.at_least(0).below(1));
  f.field("dampening", c.dampening, "share of the gradient that is kept out of the buffer",
          Rule{}.at_least(0).at_most(1));
  f.field("nesterov", c.nesterov, "look ahead along the buffer");
  f.field("weight_decay", c.weight_decay, "weight decay, added to the gradient", Rule{}.at_least(0));
}

class Sgd final : public Optimizer {
 public:
  Sgd(const SgdConfig& config, bool use_kernels) : config_(config), use_kernels_(use_kernels) {
    if (config.nesterov && (config.momentum == 0 || config.dampening != 0)) {
      throw ConfigError("sgd: nesterov: expected a momentum above 0 and no dampening with it");
    }
  }

  Granularity granularity() const override { return Granularity::kElement; }
  std::vector<StateSpec> state_specs() const override {
    if (config_.momentum == 0) return {};
    return {{"momentum", nullptr}};
  }

  void step(std::vector<Slot>& slots, const UpdateContext& context) const override {
    const double share = context.update == 1 ? 1 : 1 - config_.dampening;
    for (const auto& run : runs_of(slots)) {
      if (!use_kernels_ || !runs_on_kernels(run)) {
        update(run, share, context.grad_scale);
      } else if (run.value.scalar_type() == at::kDouble) {
        fused_update<double>(run, share, context.grad_scale);
      } else {
        fused_update<float>(run, share, context.grad_scale);
      }
    }
  }

 private:
  /// The formula in plain tensor operations, for any device. The buffer is zero before the first update.
  void update(const Run& run, double gradient_share, double grad_scale) const {
    at::Tensor w = run.value;
    at::Tensor g = run.grad.mul(grad_scale);
    if (run.weight_decay != 0) g.add_(w, run.weight_decay);
    if (config_.momentum != 0) {
      at::Tensor b = run.states[0];
      b.mul_(config_.momentum).add_(g, gradient_share);
      g = config_.nesterov ? g.add_(b, config_.momentum) : b;
    }
    w.sub_(g, run.lr);
  }

  template <class T>
  void fused_update(const Run& run, double gradient_share, double grad_scale) const {
    const auto to = [](double x) { return static_cast<T>(x); };
    const update_kernels::Sgd<T> constants = {to(grad_scale),       to(run.lr),         to(run.weight_decay),
                                              to(config_.momentum), to(gradient_share), config_.nesterov};
    T* w = run.value.data_ptr<T>();
    const T* g = run.grad.const_data_ptr<T>();
    T* b = run.states.empty() ? nullptr : run.states[0].data_ptr<T>();
    if constexpr (std::is_same_v<T, float>) {
      if (run.value.is_cuda()) {
        INGOT_GPU_FUNCTION(ingot_cuda_sgd)(w, g, b, run.value.numel(), constants, gpu_stream());
        return;
      }
    }
    parallel_for(0, run.value.numel(), kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
      update_kernels::sgd(w + begin, g + begin, b == nullptr ? nullptr : b + begin, end - begin, constants);
    });
  }

  SgdConfig config_;
  bool use_kernels_;
};

}  // namespace
}  // namespace ingot::sgd

namespace ingot {

void register_sgd(Family<OptimizerEntry>& family) {
  using sgd::SgdConfig;
  auto& entry = family.add<SgdConfig>(
      "sgd", "Stochastic gradient descent with momentum",
      "Sutskever et al. 2013, \"On the importance of initialization and momentum in deep learning\"");
  entry.make = with_settings<SgdConfig>([](const SgdConfig& c) { return std::make_unique<sgd::Sgd>(c, true); });
  entry.make_plain = with_settings<SgdConfig>([](const SgdConfig& c) { return std::make_unique<sgd::Sgd>(c, false); });
  entry.lr = with_settings<SgdConfig>([](const SgdConfig& c) { return c.lr; });
  entry.weight_decay = with_settings<SgdConfig>([](const SgdConfig& c) { return c.weight_decay; });
}

}  // namespace ingot
