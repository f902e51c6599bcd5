// Pre-norm: x_{n+1} = x_n + f_n(norm(x_n)), and a final norm before the head.
//
//   Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", arXiv:2002.04745; GPT-2, LLaMA.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace pre {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Pre final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kInput : site == Site::kFinal;
  }
  std::string formula(int /*depth*/) const override { return "x + f(norm(x))"; }
};

}  // namespace pre

void register_pre(Family<PlacementEntry>& family) {
  add_entry<pre::Config, pre::Pre>(family, "pre", "A norm before every sub-layer and before the head.",
                                   "Xiong et al. 2020, arXiv:2002.04745");
}

}  // namespace ingot
