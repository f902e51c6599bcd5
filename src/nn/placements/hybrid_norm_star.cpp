// HybridNorm*: HybridNorm but for the first block, which is pre-norm with QKV-norm; a final norm.
//
//   first block: y = x + mixer_qkv(norm(x));  x' = y + ffn(norm(y))
//   others:      y = x + mixer_qkv(x);        u = norm(y);  x' = u + ffn(u)
//   Zhuo et al. 2025, arXiv:2503.04598, section 3.3. A mixer without the sites q, k and v has a norm of its input.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace hybrid_norm_star {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class HybridNormStar final : public Placement {
 public:
  explicit HybridNormStar(const PlacementContext& context) : context_(context) {}

  bool has_norm(Site site, int depth) const override {
    if (depth < 0) return site == Site::kFinal;
    const bool mixer = context_.is_mixer(depth);
    if (mixer && norms_qkv(context_, site, depth)) return true;
    return is_first(depth) ? site == Site::kInput : mixer && site == Site::kStream;
  }
  std::string formula(int depth) const override {
    if (is_first(depth)) return "x + f(norm(x))";
    return context_.is_mixer(depth) ? "norm(x + f(x))" : "x + f(x)";
  }

 private:
  static bool is_first(int depth) { return block_of(depth) == 0; }

  PlacementContext context_;
};

}  // namespace hybrid_norm_star

void register_hybrid_norm_star(Family<PlacementEntry>& family) {
  auto& e = add_entry<hybrid_norm_star::Config, hybrid_norm_star::HybridNormStar>(
      family, "hybrid_norm_star", "HybridNorm with a pre-norm first block.", "Zhuo et al. 2025, arXiv:2503.04598");
  e.counts_blocks = true;
}

}  // namespace ingot
