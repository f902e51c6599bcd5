// Dual residual: p_{n+1} = norm(p_n + f_n(p_n)), r_{n+1} = r_n + f_n(p_n); the head reads p + norm(r)
//
//   p_0 = r_0 = x. The branch reads p, whose norm is that of the `stream` site; r is a plain sum, whose norm is that of
//   the `final` site: gradients reach every layer through r without a norm in between.
//   Xie et al. 2023, "ResiDual: Transformer with Dual Residual Connections", arXiv:2304.14802, section 3.1.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace residual_dual_rule {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class ResidualDual final : public Residual {
 public:
  ResidualDual(const Config& /*config*/, const ResidualContext& context) {
    residuals::refuse_factors(context, "residual_dual");
  }

  Stream begin(const at::Tensor& x) const override { return {{x, x}}; }
  at::Tensor read(int /*depth*/, const Stream& stream) const override { return stream.tensors.front(); }
  Stream join(int /*depth*/, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    return {{residuals::add_branch(stream.tensors[0], 1, branch, 1),
             residuals::add_branch(stream.tensors[1], 1, branch, 1)}};
  }
  at::Tensor end(const Stream& stream) const override { return stream.tensors[0] + stream.tensors[1]; }
  at::Tensor finish(const Stream& stream, const NormFunction& norm) const override {
    return stream.tensors[0] + norm(stream.tensors[1]);
  }
  Stream map(Stream stream, const NormFunction& norm) const override {
    stream.tensors.front() = norm(stream.tensors.front());
    return stream;
  }
};

}  // namespace residual_dual_rule

void register_residual_dual(Family<ResidualEntry>& family) {
  add_entry<residual_dual_rule::Config, residual_dual_rule::ResidualDual>(
      family, "residual_dual", "A normalised stream that branches read, and beside it the plain sum of all branches.",
      "Xie et al. 2023, arXiv:2304.14802");
}

}  // namespace ingot
