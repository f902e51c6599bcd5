// Norm loss: value = sum over rows i of (1 - |W[i,:]|)²
//
//   W [out, in]: a row is what one output is made with. Draws every row's length towards 1, softly, where `unit_norm`
//   sets it. Gradient: 2 (1 - 1 / |W[i,:]|) W[i,:]; of a row of zeros: 0. Matrices by default; in place of weight
//   decay.
//   Georgiou et al. 2021, "Norm Loss: An efficient yet effective regularization method for deep neural networks",
//   arXiv:2103.06583, with weight 0.01.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "params/penalty.h"

namespace ingot {
namespace norm_loss {

struct Config {
  PenaltySettings common;
};

void describe(Fields& f, Config& c) { describe_common(f, c.common); }

class NormLoss final : public Penalty {
 public:
  explicit NormLoss(const Config& config) : Penalty(config.common) {}

  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kRow; }
  at::Tensor value(const at::Tensor& weight, const PenaltyContext& /*context*/) const override {
    return (1 - at::linalg_vector_norm(weight, 2, at::IntArrayRef{1})).square().sum();
  }
};

}  // namespace norm_loss

void register_norm_loss(Family<PenaltyEntry>& family) {
  add_penalty<norm_loss::Config, norm_loss::NormLoss>(
      family, "norm_loss", "Squared distance of every row's length from 1.", "Georgiou et al. 2021, arXiv:2103.06583");
}

}  // namespace ingot
