// ReLU: y = max(x, 0)
//
//   Nair & Hinton 2010, "Rectified Linear Units Improve Restricted Boltzmann Machines".

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/relu.h>

#include "config/fields.h"
#include "nn/activation.h"
#include "registry/add_entry.h"

namespace ingot {
namespace relu {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Relu final : public Activation {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return at::relu(x); }
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x) { return x.clamp_min(0); }

}  // namespace relu

void register_relu(Family<ActivationEntry>& family) {
  add_entry<relu::Config, relu::Relu>(family, "relu", "The positive part of x.", "Nair & Hinton 2010");
}

}  // namespace ingot
