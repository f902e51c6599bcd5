// nGPT's step on the sphere: h_{n+1} = unit(h_n + a_n ⊙ (unit(f_n(h_n)) - h_n)), unit(x) = x / ‖x‖
//
//   h [B, T, D] of length 1. Eigen learning rates a = |p| · start / stored, p [D] learned and stored at 1/sqrt(D), so
//   that the optimizer moves a by start · sqrt(D) times its own learning rate. The embedding is brought to length 1
//   where it enters, for the sake of meta tokens and of tables without the constraint; of a unit row this drops the
//   radial part of the gradient, which the paper's equations keep and its code drops from the skip path.
//   Loshchilov et al. 2024, "nGPT: Normalized Transformer with Representation Learning on the Hypersphere",
//   arXiv:2410.01131, section 2.2.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>

#include "base/text.h"
#include "config/fields.h"
#include "nn/norm_parts.h"
#include "nn/residual_parts.h"
#include "ops/recompute/recompute.h"

namespace ingot {
namespace ngpt_residual {

struct Config {
  double start = 0.05;
};

void describe(Fields& f, Config& c) {
  f.field("start", c.start, "eigen learning rates at the start, of the order of 1 / blocks", Rule{}.above(0));
}

at::Tensor unit(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, -1, true).clamp_min(1e-12); }

class Ngpt final : public Residual {
 public:
  Ngpt(const Config& config, const ResidualContext& context)
      : start_(config.start), stored_(1 / std::sqrt(static_cast<double>(context.d_model))) {
    residuals::refuse_factors(context, "ngpt");
    rate_ = residuals::declare_each(context, [&](int) { return norms::vector_spec("rate", context.d_model, stored_); });
  }

  Stream begin(const at::Tensor& x) const override { return {{unit(x)}}; }
  at::Tensor read(int /*depth*/, const Stream& stream) const override { return stream.tensors.front(); }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& /*pass*/) const override {
    const auto n = static_cast<std::size_t>(depth);
    const auto move = [this, n](const std::vector<at::Tensor>& in) {
      const at::Tensor h = residuals::wide(in[0]);
      const at::Tensor rate = rate_.at(n).compute().abs() * (start_ / stored_);
      return unit(h + rate * (unit(in[1].to(h.scalar_type())) - h)).to(in[0].scalar_type());
    };
    return {{ops::recomputed(move, {stream.tensors.front(), branch})}};
  }
  at::Tensor end(const Stream& stream) const override { return stream.tensors.front(); }
  std::string text(int /*depth*/) const override { return cat("eigen learning rates from ", start_); }

 private:
  double start_, stored_;
  std::vector<Param> rate_;
};

}  // namespace ngpt_residual

void register_ngpt(Family<ResidualEntry>& family) {
  auto& e = add_entry<ngpt_residual::Config, ngpt_residual::Ngpt>(
      family, "ngpt", "Moves a unit vector towards the branch's direction at learned rates.",
      "Loshchilov et al. 2024, arXiv:2410.01131");
  e.drops_branch_scale = true;
  e.samples = {"{start: 0.2}"};
}

}  // namespace ingot
