// SiLU: y = x / (1 + e^-x)
//
//   Elfwing, Uchibe & Doya 2017, arXiv:1702.03118; Ramachandran, Zoph & Le 2017 ("Swish"), arXiv:1710.05941.

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/silu.h>

#include "config/fields.h"
#include "nn/activation.h"

namespace ingot {
namespace silu {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Silu final : public Activation {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return at::silu(x); }
};

}  // namespace silu

void register_silu(Family<ActivationEntry>& family) {
  ActivationEntry& e =
      family.add<silu::Config>("silu", "x times its logistic sigmoid.", "Elfwing et al. 2017, arXiv:1702.03118");
  e.make = [](const ConfigObject&) { return std::make_unique<silu::Silu>(); };
  e.reference = [](const ConfigObject&, const at::Tensor& x) { return x / (1 + at::exp(-x)); };
}

}  // namespace ingot
