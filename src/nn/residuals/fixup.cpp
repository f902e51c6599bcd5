// Fixup's scalars: x_{n+1} = x_n + m_n f_n(x_n + a_n) + b_n; the head reads m x + b
//
//   m_n, a_n, b_n, m, b are learned numbers; m_n and m start at 1, the others at 0. The shifts that the paper has
//   between the matrices of a branch are left to the operators' own biases. It goes with the init `fixup` and placement
//   `none`.
//   Zhang et al. 2019, "Fixup Initialization: Residual Learning Without Normalization", arXiv:1901.09321, section 3.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace fixup_residual {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Fixup final : public residuals::ScaledResidual {
 public:
  Fixup(const Config& /*config*/, const ResidualContext& context) : ScaledResidual(context) {
    using norms::scalar_spec;
    scale_ = residuals::declare_each(context, [](int) { return scalar_spec("scale", 1); });
    shift_in_ = residuals::declare_each(context, [](int) { return scalar_spec("shift_in", 0); });
    shift_out_ = residuals::declare_each(context, [](int) { return scalar_spec("shift_out", 0); });
    end_scale_ = context.scope(-1).declare(scalar_spec("scale", 1));
    end_shift_ = context.scope(-1).declare(scalar_spec("shift", 0));
  }

  at::Tensor read(int depth, const Stream& stream) const override {
    const at::Tensor& x = stream.tensors.front();
    return (x + shift_in_.at(static_cast<std::size_t>(depth)).compute()).to(x.scalar_type());
  }
  at::Tensor end(const Stream& stream) const override {
    const at::Tensor& x = stream.tensors.front();
    return (x * end_scale_.compute() + end_shift_.compute()).to(x.scalar_type());
  }

 private:
  at::Tensor scaled(int depth, const at::Tensor& branch, const Pass& /*pass*/) const override {
    const auto n = static_cast<std::size_t>(depth);
    return branch * scale_.at(n).compute() + shift_out_.at(n).compute();
  }

  std::vector<Param> scale_, shift_in_, shift_out_;
  Param end_scale_, end_shift_;
};

}  // namespace fixup_residual

void register_fixup(Family<ResidualEntry>& family) {
  add_entry<fixup_residual::Config, fixup_residual::Fixup>(
      family, "fixup", "Adds the branch with a learned factor and learned shifts around it.",
      "Zhang et al. 2019, arXiv:1901.09321");
}

}  // namespace ingot
