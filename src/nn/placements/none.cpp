// No norms: x_{n+1} = x_n + f_n(x_n).
//
//   The frame of norm-free networks, which take their stability from a residual rule or an init instead (Zhang et al.
//   2019, "Fixup Initialization", arXiv:1901.09321). Norms that belong to a mixer's definition stay.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace no_norms {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class NoNorms final : public Placement {
 public:
  bool has_norm(Site /*site*/, int /*depth*/) const override { return false; }
  std::string formula(int /*depth*/) const override { return "x + f(x)"; }
};

}  // namespace no_norms

void register_none(Family<PlacementEntry>& family) {
  add_entry<no_norms::Config, no_norms::NoNorms>(family, "none", "No norm at any site.",
                                                 "Zhang et al. 2019, arXiv:1901.09321");
}

}  // namespace ingot
