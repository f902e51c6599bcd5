#include "optim/projected.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace ingot {

void describe_projection(Fields& f, ProjectionConfig& c) {
  f.field("delta", c.delta,
          "the radial part is taken out where no gradient's cosine with its weight reaches this over the root of the "
          "length",
          Rule{}.at_least(0));
  f.field("wd_ratio", c.wd_ratio, "multiplies the decay where the radial part is taken out",
          Rule{}.at_least(0).at_most(1));
}

std::optional<std::int64_t> orthogonal_view(const Master& master, double grad_scale, double delta, double eps) {
  for (const std::int64_t length : {row_length(master), master.numel}) {
    const at::Tensor sums = block_pair_sums(master.grad, master.value, length);
    const at::Tensor gradient = sums.select(1, 0).sqrt() * std::abs(grad_scale), weight = sums.select(1, 2).sqrt();
    const at::Tensor cosine =
        sums.select(1, 1).abs() * std::abs(grad_scale) / (gradient.clamp_min(eps) * weight.clamp_min(eps));
    if (cosine.max().item<double>() < delta / std::sqrt(static_cast<double>(length))) return length;
  }
  return std::nullopt;
}

void take_out_radial(const at::Tensor& direction, const at::Tensor& w, std::int64_t length, double eps) {
  const at::Tensor sums = block_pair_sums(w, direction, length);
  const at::Tensor norm = sums.select(1, 0).sqrt() + eps;
  const at::Tensor share = (sums.select(1, 1) / (norm * norm)).to(w.scalar_type());
  direction.view({-1, length}).sub_(w.view({-1, length}) * share.unsqueeze(1));
}

}  // namespace ingot
