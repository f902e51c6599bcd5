// Squared ReLU: y = max(x, 0)²
//
//   So et al. 2021, "Primer: Searching for Efficient Transformers for Language Modeling", arXiv:2109.08668.

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/square.h>

#include "config/fields.h"
#include "nn/activation.h"
#include "registry/add_entry.h"

namespace ingot {
namespace relu2 {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Relu2 final : public Activation {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return at::square(at::relu(x)); }
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x) { return x.clamp_min(0) * x.clamp_min(0); }

}  // namespace relu2

void register_relu2(Family<ActivationEntry>& family) {
  add_entry<relu2::Config, relu2::Relu2>(family, "relu2", "The square of the positive part of x.",
                                         "So et al. 2021, arXiv:2109.08668");
}

}  // namespace ingot
