// ReZero and SkipInit: x_{n+1} = x_n + α f_n(x_n), α one learned number that starts at 0, so that the network starts as
// the identity.
//
//   share block: both sub-layers of a block have one α (ReZero: Bachlechner et al. 2020, arXiv:2003.04887, which has no
//   norms); share nothing: each has its own (SkipInit: De & Smith 2020, arXiv:2002.10444, eq. 3).

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace rezero {

enum class Share { kBlock, kNothing };

struct Config {
  Share share = Share::kBlock;
  double start = 0;
};

void describe(Fields& f, Config& c) {
  f.choice("share", c.share, {{"block", Share::kBlock}, {"nothing", Share::kNothing}},
           "which sub-layers have one factor: block (ReZero) or nothing, each its own (SkipInit)");
  f.field("start", c.start, "value of the factors at the start");
}

class Rezero final : public residuals::ScaledResidual {
 public:
  Rezero(const Config& config, const ResidualContext& context) : ScaledResidual(context) {
    for (int depth = 0; depth < context.num_sublayers; ++depth) {
      const bool shared = config.share == Share::kBlock && depth > 0 && block_of(depth) == block_of(depth - 1);
      alpha_.push_back(shared ? alpha_.back()
                              : context.scope(depth).declare(norms::scalar_spec("scale", config.start)));
    }
  }

 private:
  at::Tensor scaled(int depth, const at::Tensor& branch, const Pass& /*pass*/) const override {
    return branch * alpha_.at(static_cast<std::size_t>(depth)).compute();
  }

  std::vector<Param> alpha_;
};

}  // namespace rezero

void register_rezero(Family<ResidualEntry>& family) {
  auto& e = add_entry<rezero::Config, rezero::Rezero>(family, "rezero",
                                                      "Adds the branch times a learned number that starts at 0.",
                                                      "Bachlechner et al. 2020, arXiv:2003.04887");
  e.sums_branches = true;
  e.samples = {"{share: nothing, start: 0.5}"};
}

}  // namespace ingot
