// Adaptive gradient clipping: each output unit's gradient in proportion to its weights.
//
//   G_i ← G_i · λ max(‖W_i‖, ε) / max(‖G_i‖, 1e-6)   where ‖G_i‖ > λ max(‖W_i‖, ε)
//
// W_i, G_i: row i of a matrix [out, in] and of its mean gradient over target tokens (a vector or a scalar counts as one
// unit), λ: ratio, ε: least norm of weights. The head is left out unless `head` says otherwise. Under Adam the scale of
// gradients cancels, so it only guards against outliers. Brock et al. 2021 (arXiv:2102.06171), equation 3; the 1e-6 is
// that of its release.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>

#include "config/fields.h"
#include "config/units.h"
#include "optim/clipper.h"

namespace ingot::adaptive_clipping {
namespace {

struct AdaptiveConfig {
  double ratio = 0.01;
  double eps = 1e-3;
  bool head = false;
};

void describe(Fields& f, AdaptiveConfig& c) {
  f.field("ratio", c.ratio, "largest norm of a unit's gradient, relative to the norm of its weights", Rule{}.above(0));
  f.field("eps", c.eps, "a smaller norm of weights counts as this", Rule{}.above(0));
  f.field("head", c.head, "whether the head's rows are clipped too (a tied head always is: it is the embedding)");
}

class Adaptive final : public Clipper {
 public:
  explicit Adaptive(const AdaptiveConfig& config) : config_(config) {}

  Granularity granularity(const Master& master) const override {
    return master.shape.size() > 1 ? Granularity::kRow : Granularity::kMatrix;
  }
  bool clips_units() const override { return true; }
  void clip_units_of(const Master& part, double scale) const override {
    if (!config_.head && part.param->roles.has(Role::kHead) && !part.param->roles.has(Role::kEmbedding)) return;
    const at::Tensor grad = part.grad;
    const at::Tensor weights = norms(part.value).clamp_min(config_.eps), gradients = norms(grad) * scale;
    const at::Tensor limit = weights * config_.ratio;
    grad.mul_(at::where(gradients > limit, limit / gradients.clamp_min(1e-6), 1.0));
  }

 private:
  /// Of each unit, broadcastable against x.
  static at::Tensor norms(const at::Tensor& x) {
    if (x.dim() < 2) return at::linalg_vector_norm(x, 2);
    std::vector<std::int64_t> dims;
    for (std::int64_t d = 1; d < x.dim(); ++d) dims.push_back(d);
    return at::linalg_vector_norm(x, 2, dims, /*keepdim=*/true);
  }

  AdaptiveConfig config_;
};

}  // namespace
}  // namespace ingot::adaptive_clipping

namespace ingot {

void register_adaptive(Family<ClipperEntry>& family) {
  add_entry<adaptive_clipping::AdaptiveConfig, adaptive_clipping::Adaptive>(
      family, "adaptive", "Bounds the gradient of each unit relative to the norm of its weights.",
      "Brock et al. 2021, arXiv:2102.06171")
      .samples = {"{ratio: 0.1, head: true}"};
}

}  // namespace ingot
