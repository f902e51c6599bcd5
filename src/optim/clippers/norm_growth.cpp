// The norm of a gradient may grow by a bounded factor from one step to the next.
//
//   l = max(N / (P + 1e-8), γ) / γ,   g ← g / l,   P ← N / l
//
// N: norm of a parameter's mean gradient, or of all gradients together with `per: total`; P: N / l of the step before;
// γ: largest growth. The first norm above 0 is taken as it is: a gradient of 0, as behind a matrix that starts at zero,
// is no measure. Norms that are not finite change nothing. Chen et al. 2024, "Fira" (arXiv:2410.01623), equation 8, and
// Zhu et al. 2024, "APOLLO" (arXiv:2412.05270), section 4, which limit parts of the update by it; 1e-8 is Fira's.

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::norm_growth {
namespace {

enum class Per { kParameter, kTotal };

struct NormGrowthConfig {
  double limit = 1.01;
  Per per = Per::kParameter;
};

void describe(Fields& f, NormGrowthConfig& c) {
  f.field("limit", c.limit, "largest norm as a multiple of that of the step before", Rule{}.at_least(1));
  f.choice("per", c.per, {{"parameter", Per::kParameter}, {"total", Per::kTotal}},
           "whose norm: of each parameter, or of all gradients together");
}

class NormGrowth final : public Clipper {
 public:
  explicit NormGrowth(const NormGrowthConfig& config) : config_(config) {}

  double factor(const GradientNorms& norms) override {
    if (!std::isfinite(norms.total)) return 1;
    if (config_.per == Per::kTotal) {
      before_.resize(1, 0);
      return limited(norms.total, before_[0]);
    }
    before_.resize(norms.parameters.size(), 0);
    factors_.clear();
    for (std::size_t i = 0; i < norms.parameters.size(); ++i) {
      const auto& [master, group, norm] = norms.parameters[i];
      factors_.resize(std::max(factors_.size(), master->index + 1), 1);
      factors_[master->index] = limited(norm, before_[i]);
    }
    return 1;
  }
  bool looks_at_parameters() const override { return config_.per == Per::kParameter; }

  bool clips_units() const override { return config_.per == Per::kParameter; }
  void clip_units_of(const Master& part, double /*scale*/) const override {
    const double factor = factors_.at(part.index);
    at::Tensor grad = part.grad;
    if (factor != 1) grad.mul_(factor);
  }

  std::vector<double> state() const override { return before_; }
  void restore(const std::vector<double>& state) override { before_ = state; }

 private:
  /// What the gradient is multiplied by; moves the norm before.
  double limited(double norm, double& before) const {
    const double limiter = before > 0 ? std::max(norm / (before + 1e-8), config_.limit) / config_.limit : 1;
    before = norm / limiter;
    return 1 / limiter;
  }

  NormGrowthConfig config_;
  std::vector<double> before_;   // of each trained parameter as declared, or of all together; 0: none yet
  std::vector<double> factors_;  // by index of the master
};

}  // namespace
}  // namespace ingot::norm_growth

namespace ingot {

void register_norm_growth(Family<ClipperEntry>& family) {
  add_entry<norm_growth::NormGrowthConfig, norm_growth::NormGrowth>(
      family, "norm_growth", "Bounds how fast norms of gradients grow from step to step.",
      "Chen et al. 2024, arXiv:2410.01623")
      .samples = {"{per: total, limit: 1.5}"};
}

}  // namespace ingot
