// Residual addition: x_{n+1} = skip_n · x_n + scale_n · f_n(x_n)
//
//   x [B, T, D]; both factors are 1 unless the placement sets them. The stream keeps its dtype whatever the branch's.
//   He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>

#include "config/fields.h"
#include "nn/residual.h"

namespace ingot {
namespace add {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Add final : public Residual {
 public:
  explicit Add(const ResidualContext& context) {
    for (int depth = 0; depth < context.num_sublayers; ++depth) {
      branch_.push_back(context.branch_scale ? context.branch_scale(depth) : 1.0);
      skip_.push_back(context.skip_scale ? context.skip_scale(depth) : 1.0);
    }
  }

  Stream begin(const at::Tensor& x) const override { return {{x}}; }

  at::Tensor read(int /*depth*/, const Stream& stream) const override { return stream.tensors.front(); }

  Stream join(int depth, const Stream& stream, const at::Tensor& branch) const override {
    const at::Tensor& x = stream.tensors.front();
    const at::Tensor skip = skip_.at(depth) == 1.0 ? x : x * skip_.at(depth);
    return {{at::add(skip, branch, branch_.at(depth)).to(x.scalar_type())}};
  }

  at::Tensor end(const Stream& stream) const override { return stream.tensors.front(); }

 private:
  std::vector<double> branch_;
  std::vector<double> skip_;
};

}  // namespace add

void register_add(Family<ResidualEntry>& family) {
  ResidualEntry& e =
      family.add<add::Config>("add", "Adds the branch to the stream.", "He et al. 2015, arXiv:1512.03385");
  e.make = [](const ConfigObject&, const ResidualContext& context) { return std::make_unique<add::Add>(context); };
}

}  // namespace ingot
