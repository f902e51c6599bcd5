// SiLU: y = x / (1 + e^-x)
//
//   Elfwing, Uchibe & Doya 2017, arXiv:1702.03118; Ramachandran, Zoph & Le 2017 ("Swish"), arXiv:1710.05941.

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/silu.h>

#include "config/fields.h"
#include "nn/activation.h"
#include "registry/add_entry.h"

namespace ingot {
namespace silu {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Silu final : public Activation {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return at::silu(x); }
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x) { return x / (1 + at::exp(-x)); }

}  // namespace silu

void register_silu(Family<ActivationEntry>& family) {
  add_entry<silu::Config, silu::Silu>(family, "silu", "x times its logistic sigmoid.",
                                      "Elfwing et al. 2017, arXiv:1702.03118");
}

}  // namespace ingot
