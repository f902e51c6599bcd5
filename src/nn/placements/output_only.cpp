// Reordered norm: x_{n+1} = x_n + norm(f_n(x_n)), and a final norm. Branches read the stream as it is.
//
//   OLMo team 2024, "2 OLMo 2 Furious", arXiv:2501.00656, section 3.2, which adds QK-norm.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace output_only {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class OutputOnly final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override {
    return depth >= 0 ? site == Site::kOutput : site == Site::kFinal;
  }
  std::string formula(int /*depth*/) const override { return "x + norm(f(x))"; }
};

}  // namespace output_only

void register_output_only(Family<PlacementEntry>& family) {
  add_entry<output_only::Config, output_only::OutputOnly>(
      family, "output_only", "A norm after every sub-layer, before it joins the stream, and before the head.",
      "OLMo team 2024, arXiv:2501.00656");
}

}  // namespace ingot
