// Clipping of what is unusual: norms far above their moving mean, in moving standard deviations.
//
//   z = (N - μ) / (σ + 1e-6)                             N: norm of all gradients together
//   z > θ:  N* = μ + θ σ / (z/θ)   (to: adaptive)        the further out, the closer to the mean
//                μ                 (to: mean)
//                μ + θ σ           (to: threshold)
//                the update is left out (to: skip)
//   else    N* = N
//   factor = min(N*, c) / (N + 1e-6)  where that norm is below N, else 1
//   μ ← α μ + (1 - α) N*,  then  v ← α v + (1 - α) (N* - μ)²,  σ = sqrt(v)
//
// μ and v start as mean and variance of the first `warmup` norms, which only the bound c clips. A skipped spike enters
// the statistics as the largest norm that is none, so that a run whose norms have changed for good goes on. Norms that
// are not finite enter nothing. Kumar et al. 2025, "ZClip: Adaptive Spike Mitigation for LLM Pre-Training",
// arXiv:2504.02507; the order of the statistics, the bound and 1e-6 are those of the released code, whose `percentile`
// is `to: threshold`. `skip` is not in it.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::zclip {
namespace {

constexpr double kEps = 1e-6;

enum class To { kAdaptive, kMean, kThreshold, kSkip };

struct ZclipConfig {
  double threshold = 2.5;
  To to = To::kAdaptive;
  double alpha = 0.97;
  std::int64_t warmup = 25;
  std::optional<double> max_norm = 1;
};

void describe(Fields& f, ZclipConfig& c) {
  f.field("threshold", c.threshold, "standard deviations above the mean from which a norm is a spike", Rule{}.above(0));
  f.choice("to", c.to,
           {{"adaptive", To::kAdaptive}, {"mean", To::kMean}, {"threshold", To::kThreshold}, {"skip", To::kSkip}},
           "what a spike is clipped to: a norm the closer to the mean the larger it was, the mean, the largest norm "
           "that is no spike; or its update is left out");
  f.field("alpha", c.alpha, "share of the old mean and variance that a step keeps", Rule{}.above(0).below(1));
  f.field("warmup", c.warmup, "steps whose norms give the first mean and variance",
          Rule{}.at_least(1).at_most(100'000));
  f.field("max_norm", c.max_norm, "bound that holds always, as of global_norm; null: none", Rule{}.above(0));
}

class Zclip final : public Clipper {
 public:
  explicit Zclip(const ZclipConfig& config) : c_(config) {}

  double factor(const GradientNorms& norms) override {
    const double norm = norms.total;
    if (!std::isfinite(norm)) return 1;
    double target = norm;
    bool spike = false;
    if (started_) {
      const double deviation = std::sqrt(variance_), z = (norm - mean_) / (deviation + kEps);
      spike = z > c_.threshold;
      if (spike) target = clipped(deviation, z);
      move(target);
    } else {
      collect(norm);
    }
    if (spike && c_.to == To::kSkip) return 0;
    const double bound = std::min(target, c_.max_norm.value_or(std::numeric_limits<double>::infinity()));
    return bound < norm ? std::min(1.0, bound / (norm + kEps)) : 1;
  }

  /// Mean and variance, or the norms collected for them behind a mark.
  std::vector<double> state() const override {
    if (started_) return {mean_, variance_};
    std::vector<double> out{-1};
    out.insert(out.end(), first_.begin(), first_.end());
    return out;
  }
  void restore(const std::vector<double>& state) override {
    first_.clear();
    started_ = state.size() == 2 && state[0] >= 0;
    if (started_) {
      mean_ = state[0];
      variance_ = state[1];
    } else if (!state.empty()) {
      first_.assign(state.begin() + 1, state.end());
    }
  }

 private:
  double clipped(double deviation, double z) const {
    switch (c_.to) {
      case To::kMean:
        return mean_;
      case To::kThreshold:
      case To::kSkip:
        return mean_ + c_.threshold * deviation;
      case To::kAdaptive:
        break;
    }
    return mean_ + c_.threshold * deviation / (z / c_.threshold);
  }
  void move(double norm) {
    mean_ = c_.alpha * mean_ + (1 - c_.alpha) * norm;
    variance_ = c_.alpha * variance_ + (1 - c_.alpha) * (norm - mean_) * (norm - mean_);
  }
  void collect(double norm) {
    first_.push_back(norm);
    const auto n = static_cast<double>(first_.size());
    if (n < static_cast<double>(c_.warmup)) return;
    mean_ = variance_ = 0;
    for (const double value : first_) mean_ += value / n;
    for (const double value : first_) variance_ += (value - mean_) * (value - mean_) / n;
    first_.clear();
    started_ = true;
  }

  ZclipConfig c_;
  bool started_ = false;
  double mean_ = 0, variance_ = 0;
  std::vector<double> first_;
};

}  // namespace
}  // namespace ingot::zclip

namespace ingot {

void register_zclip(Family<ClipperEntry>& family) {
  add_entry<zclip::ZclipConfig, zclip::Zclip>(
      family, "zclip", "Clips norms that lie far above their moving mean, in moving standard deviations.",
      "Kumar et al. 2025, arXiv:2504.02507")
      .samples = {"{to: mean, warmup: 1, max_norm: null}", "{to: threshold, warmup: 2}", "{to: skip, warmup: 2}"};
}

}  // namespace ingot
