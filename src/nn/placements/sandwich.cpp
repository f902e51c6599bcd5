// Sandwich norm: x_{n+1} = x_n + norm_out(f_n(norm_in(x_n))), and a final norm.
//
//   Ding et al. 2021, "CogView: Mastering Text-to-Image Generation via Transformers", arXiv:2105.13290, section 2.4;
//   Gemma 2. As `peri` without the norm of the embedding.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace sandwich {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Sandwich final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kInput || site == Site::kOutput : site == Site::kFinal;
  }
  std::string formula(int /*depth*/) const override { return "x + norm(f(norm(x)))"; }
};

}  // namespace sandwich

void register_sandwich(Family<PlacementEntry>& family) {
  add_entry<sandwich::Config, sandwich::Sandwich>(family, "sandwich",
                                                  "A norm before and after every sub-layer and before the head.",
                                                  "Ding et al. 2021, arXiv:2105.13290");
}

}  // namespace ingot
