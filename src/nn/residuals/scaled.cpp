// Constant branch scale: x_{n+1} = x_n + λ f_n(x_n), λ = factor · S^-1/2 or factor · S^-1; S: residual branches.
//
//   S^-1/2 keeps the stream's variance at the top of order 1 (depth-muP: Yang et al. 2023, "Tensor Programs VI",
//   arXiv:2310.02244), S^-1 also the change of every layer (CompleteP: Dey et al. 2025, arXiv:2505.01618).

#include <ATen/TensorOperators.h>

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace scaled {

enum class By { kSqrtDepth, kDepth, kNothing };

struct Config {
  By by = By::kSqrtDepth;
  double factor = 1;
};

void describe(Fields& f, Config& c) {
  f.choice("by", c.by, {{"sqrt_depth", By::kSqrtDepth}, {"depth", By::kDepth}, {"nothing", By::kNothing}},
           "what the branch is divided by: the root of the number of sub-layers, that number, or 1");
  f.field("factor", c.factor, "a further factor of the branch", Rule{}.above(0));
}

class Scaled final : public residuals::ScaledResidual {
 public:
  Scaled(const Config& config, const ResidualContext& context) : ScaledResidual(context), lambda_(config.factor) {
    const double depth = context.num_sublayers;
    if (config.by == By::kSqrtDepth) lambda_ /= std::sqrt(depth);
    if (config.by == By::kDepth) lambda_ /= depth;
  }
  std::string text(int /*depth*/) const override { return cat("branch x ", lambda_); }

 private:
  at::Tensor scaled(int /*depth*/, const at::Tensor& branch, const Pass& /*pass*/) const override {
    return branch * lambda_;
  }

  double lambda_;
};

}  // namespace scaled

void register_scaled(Family<ResidualEntry>& family) {
  auto& e = add_entry<scaled::Config, scaled::Scaled>(family, "scaled",
                                                      "Adds the branch times a constant that falls with the depth.",
                                                      "Yang et al. 2023, arXiv:2310.02244");
  e.sums_branches = true;
  e.samples = {"{by: depth, factor: 0.5}"};
}

}  // namespace ingot
