// Residual addition: x_{n+1} = skip_n · x_n + scale_n · f_n(x_n)
//
//   x [B, T, D]; both factors are 1 unless the placement sets them. The stream keeps its dtype whatever the branch's.
//   He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.

#include "config/fields.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace add {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Add final : public residuals::ScaledResidual {
 public:
  explicit Add(const ResidualContext& context) : ScaledResidual(context) {}

 private:
  at::Tensor scaled(int /*depth*/, const at::Tensor& branch, const Pass& /*pass*/) const override { return branch; }
};

}  // namespace add

void register_add(Family<ResidualEntry>& family) {
  auto& e = add_entry<add::Config, add::Add>(family, "add", "Adds the branch to the stream.",
                                             "He et al. 2015, arXiv:1512.03385");
  e.sums_branches = true;
}

}  // namespace ingot
