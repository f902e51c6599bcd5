// Bottom-to-top connection: y = norm(x + mixer(x)), x' = norm(x + y + ffn(y)); the norms are those of the `stream`
// site.
//
//   The input x of a block is kept until the block's ffn joins: two tensors {what is read, x}.
//   Takase et al. 2022, "B2T Connection: Serving Stability and Performance in Deep Transformers", arXiv:2206.00330, eq.
//   6.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/placement.h"
#include "nn/residual_parts.h"

namespace ingot {
namespace b2t_residual {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class B2t final : public Residual {
 public:
  B2t(const Config& /*config*/, const ResidualContext& context) : num_sublayers_(context.num_sublayers) {
    residuals::refuse_factors(context, "b2t");
  }

  Stream begin(const at::Tensor& x) const override { return {{x}}; }
  at::Tensor read(int /*depth*/, const Stream& stream) const override { return stream.tensors.front(); }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    const at::Tensor& y = stream.tensors.front();
    const at::Tensor sum = residuals::add_branch(y, 1, branch, 1);
    if (stream.tensors.size() == 2) return {{sum + stream.tensors.back()}};
    const bool block_goes_on = depth + 1 < num_sublayers_ && block_of(depth + 1) == block_of(depth);
    return block_goes_on ? Stream{{sum, y}} : Stream{{sum}};
  }
  at::Tensor end(const Stream& stream) const override { return stream.tensors.front(); }
  Stream map(Stream stream, const NormFunction& norm) const override {
    stream.tensors.front() = norm(stream.tensors.front());
    return stream;
  }
  Stream begin_at(int depth, const at::Tensor& x) const override {
    const bool within_block = depth > 0 && block_of(depth) == block_of(depth - 1);
    return within_block ? Stream{{x, x}} : begin(x);
  }
  int kind_of_work(int depth) const override { return depth - 2 * block_of(depth); }

 private:
  int num_sublayers_;
};

}  // namespace b2t_residual

void register_b2t(Family<ResidualEntry>& family) {
  add_entry<b2t_residual::Config, b2t_residual::B2t>(
      family, "b2t", "Adds the input of a block once more when the block's last branch joins.",
      "Takase et al. 2022, arXiv:2206.00330");
}

}  // namespace ingot
