// HybridNorm: QKV-norm in mixers, post-norm around the ffn whose residual starts from the normalised stream; a final
// norm.
//
//   y = x + mixer_qkv(x);  u = norm(y);  x' = u + ffn(u)
//   Zhuo et al. 2025, "HybridNorm: Towards Stable and Efficient Transformer Training via Hybrid Normalization",
//   arXiv:2503.04598, section 3. A mixer without the sites q, k and v has a norm of its input in their place.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace hybrid_norm {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class HybridNorm final : public Placement {
 public:
  explicit HybridNorm(const PlacementContext& context) : context_(context) {}

  bool has_norm(Site site, int depth) const override {
    if (depth < 0) return site == Site::kFinal;
    return context_.is_mixer(depth) && (site == Site::kStream || norms_qkv(context_, site, depth));
  }
  std::string formula(int depth) const override { return context_.is_mixer(depth) ? "norm(x + f(x))" : "x + f(x)"; }

 private:
  PlacementContext context_;
};

}  // namespace hybrid_norm

void register_hybrid_norm(Family<PlacementEntry>& family) {
  add_entry<hybrid_norm::Config, hybrid_norm::HybridNorm>(
      family, "hybrid_norm", "QKV-norm in mixers and a norm of the stream before every ffn and the head.",
      "Zhuo et al. 2025, arXiv:2503.04598");
}

}  // namespace ingot
