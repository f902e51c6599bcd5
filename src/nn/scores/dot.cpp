// Scaled dot product: s_ij = q_i · k_j / sqrt(K)
//
//   Vaswani et al. 2017, arXiv:1706.03762, eq. 1; K: width of a head.

#include <ATen/TensorOperators.h>

#include <cmath>

#include "config/fields.h"
#include "nn/score.h"
#include "registry/add_entry.h"

namespace ingot {
namespace dot {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

at::Tensor reference(const Config&, const at::Tensor& q, const at::Tensor& k, const ParamMap&) {
  return (q * k).sum(-1, true);
}

}  // namespace dot

void register_dot(Family<ScoreEntry>& family) {
  using namespace dot;
  auto& e = add_entry<Config, void>(family, "dot",
                                    "The dot product divided by the root of the head's width; nothing is learned.",
                                    "Vaswani et al. 2017, arXiv:1706.03762");
  e.factor = [](std::int64_t head_dim) { return 1 / std::sqrt(static_cast<double>(head_dim)); };
}

}  // namespace ingot
