// APOLLO: Adam in a random space of low rank says by how much each channel of the gradient is scaled.
//
//   U = G Pᵀ [m, r] for m ≥ n, else Pᵀ G [r, n]                    P: normal numbers of variance 1/r
//   M = β1·M + (1 - β1)·U,  V = β2·V + (1 - β2)·U²,  A = M / (sqrt(V) + ε)
//   s = |A| / (|U| + 1e-8)                                         norms along r: by channel; or of all: by tensor
//   D = s·G;  D = D / max(|D|/(1.01·(|D'| + 1e-8)), 1)              D' of the update before; not in the first
//   w = (w - η·sqrt(1 - β2^t)/(1 - β1^t)·sqrt(scale)·D)·(1 - η·λ)
//
// G [m, n]: gradient of a matrix, η: learning rate, λ: weight decay, t: update from 1. Channels are the rows of a tall
// matrix, the columns of a wide one. P [r, n] or [m, r] comes from (seed, parameter, update) and is drawn anew every
// projection_updates updates. Others than matrices are trained by Adam, with its own norm. State for each matrix:
// 2·r·max(m, n) + r·min(m, n) + 1 numbers in the masters' type; computed in it. APOLLO-Mini is `{rank: 1, per: tensor,
// scale: 128}`. Zhu et al. 2024 (arXiv:2412.05270), algorithm 1 as its authors released it; the limit of growth is
// Fira's (arXiv:2410.01623).

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/text.h"
#include "config/units.h"
#include "device/matmul.h"
#include "optim/betas.h"
#include "optim/kronecker.h"
#include "optim/noise.h"

namespace ingot::apollo {
namespace {

using namespace kronecker;

enum class Per { kChannel, kTensor };

struct ApolloConfig {
  double lr = 1e-2;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-6;
  double weight_decay = 0;
  std::int64_t rank = 128;
  Per per = Per::kChannel;
  double scale = 1;
  std::int64_t projection_updates = 200;
  bool limit_growth = true;
};

void describe(Fields& f, ApolloConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the projected gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate, after the step", Rule{}.at_least(0));
  f.field("rank", c.rank, "of the projection, at most the shorter side; published: a quarter of the width, or 1",
          Rule{}.at_least(1));
  f.choice("per", c.per, {{"channel", Per::kChannel}, {"tensor", Per::kTensor}}, "what has one factor");
  f.field("scale", c.scale, "the step is multiplied by the root of it", Rule{}.above(0));
  f.field("projection_updates", c.projection_updates, "updates from one projection to the next", Rule{}.at_least(1));
  f.field("limit_growth", c.limit_growth, "whether a matrix's step is at most 1.01 times as long as the one before");
}

enum State : std::size_t { kM, kV, kProjection, kNorm };

class Apollo final : public Optimizer {
 public:
  explicit Apollo(const ApolloConfig& config) : config_(config) {}

  Granularity granularity(const Master& master) const override {
    return is_matrix(master) ? Granularity::kMatrix : Granularity::kElement;
  }
  std::vector<StateSpec> state_specs() const override {
    using Shape = std::vector<std::int64_t>;
    const auto projected = [most = config_.rank](const Master& master) -> Shape {
      if (!is_matrix(master)) return master.shape;
      const auto m = length(master, Side::kLeft), n = length(master, Side::kRight);
      return m >= n ? Shape{m, rank(master, most)} : Shape{rank(master, most), n};
    };
    const auto projection = [most = config_.rank](const Master& master) -> Shape {
      if (!is_matrix(master)) return {0};
      const auto m = length(master, Side::kLeft), n = length(master, Side::kRight);
      return m >= n ? Shape{rank(master, most), n} : Shape{m, rank(master, most)};
    };
    const auto norm = [](const Master& master) -> Shape { return {is_matrix(master) ? 1 : 0}; };
    return {{"exp_avg", projected, std::nullopt, nullptr},
            {"exp_avg_sq", projected, std::nullopt, nullptr},
            {"projection", projection, std::nullopt, nullptr},
            {"step_norm", norm, std::nullopt, nullptr}};
  }

  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override {
    const Moments moments{config_.betas[0], config_.betas[1], config_.eps};
    each_on_one_thread(slots, [&](Slot& slot) {
      const at::Tensor g = as_matrix(slot.master->grad) * context.grad_scale;
      const at::Tensor d = is_matrix(*slot.master) ? scaled(slot, g, moments, context)
                                                   : moments.ratio(slot.states[kM], slot.states[kV], g);
      slot.direction.copy_(d.view(slot.direction.sizes()))
          .mul_(moments.correction(context.update) * decay_after_step(slot));
    });
  }

 private:
  static std::int64_t rank(const Master& master, std::int64_t most) {
    return std::min({most, length(master, Side::kLeft), length(master, Side::kRight)});
  }

  /// sqrt(scale)·D.
  at::Tensor scaled(Slot& slot, const at::Tensor& g, const Moments& moments, const UpdateContext& context) const {
    at::Tensor projection = slot.states[kProjection];
    if ((context.update - 1) % config_.projection_updates == 0) {
      const auto key = stream_key(context.seed, cat("apollo/", slot.master->name, "/", context.update));
      projection.copy_(normal_noise(projection.sizes(), key, projection.options()))
          .mul_(1 / std::sqrt(static_cast<double>(rank(*slot.master, config_.rank))));
    }
    const bool is_tall = g.size(0) >= g.size(1);
    const at::Tensor low = is_tall ? ingot::matmul(g, projection.t()) : ingot::matmul(projection.t(), g);
    const at::Tensor ratio = moments.ratio(slot.states[kM], slot.states[kV], low);
    const auto norm = [&](const at::Tensor& x) {
      return config_.per == Per::kChannel ? x.norm(2, {is_tall ? 1 : 0}, /*keepdim=*/true) : x.norm();
    };
    at::Tensor d = g * (norm(ratio) / (norm(low) + 1e-8));
    if (config_.limit_growth) limit(d, slot.states[kNorm]);
    return d.mul_(std::sqrt(config_.scale));
  }

  /// Shortens d to 1.01 times the length of the one before, which `before` keeps; 0: there is none.
  static void limit(at::Tensor& d, at::Tensor before) {
    const at::Tensor length = d.norm();
    const at::Tensor growth = (length / (before + 1e-8)).clamp_min(1.01) / 1.01;
    const at::Tensor divisor = growth.masked_fill(before.eq(0), 1);
    d.div_(divisor);
    before.copy_(length / divisor);
  }

  const ApolloConfig& config_;
};

}  // namespace
}  // namespace ingot::apollo

namespace ingot {

void register_apollo(Family<OptimizerEntry>& family) {
  using namespace apollo;
  add_optimizer<ApolloConfig>(
      family, "apollo", "Gradients scaled by channel as Adam would in a random space of low rank.",
      "Zhu et al. 2024, arXiv:2412.05270", [](const ApolloConfig& c) { return std::make_unique<Apollo>(c); },
      check_betas<2>)
      .samples = {"{rank: 1, per: tensor, scale: 128}", "{rank: 4, projection_updates: 2, limit_growth: false}"};
}

}  // namespace ingot
