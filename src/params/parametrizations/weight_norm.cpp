// Weight normalisation: length and direction of each output's weights are trained apart.
//
//   w_i = g_i v_i / |v_i|
//
//   dg_i = <dw_i, v_i> / |v_i|
//   dv_i = (g_i / |v_i|) (dw_i - dg_i v_i / |v_i|)
//
// v [out, in]; g [out], or [1] with one length for the whole matrix (`per: matrix`, then |v| is the Frobenius norm).
// Norms and gradients in master dtype. dv is orthogonal to v: decay of v changes its step size only, so decay acts on
// g.
// Salimans & Kingma 2016, equations 2-3; gradients as in their section 2. A start weight W gives v = W, g_i = |w_i|, so
// that the first forward pass is that of the plain weight.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>

#include "config/fields.h"
#include "params/parametrization.h"

namespace ingot {
namespace weight_norm {
namespace {

enum class Unit { kRow, kMatrix };

struct WeightNormConfig {
  Unit per = Unit::kRow;
  bool embeddings = false;
};

void describe(Fields& f, WeightNormConfig& c) {
  f.choice("per", c.per, {{"row", Unit::kRow}, {"matrix", Unit::kMatrix}},
           "one length for each output (row), as published, or for the whole matrix");
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class WeightNorm final : public Parametrization {
 public:
  explicit WeightNorm(const WeightNormConfig& config) : config_(config) {}

  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, config_.embeddings); }

  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    const std::int64_t lengths = config_.per == Unit::kRow ? info.shape[0] : 1;
    return {{".g", {lengths}, true, true}, {".v", info.shape, true, false}};
  }

  Granularity granularity(const ParamInfo& /*info*/) const override {
    return config_.per == Unit::kRow ? Granularity::kRow : Granularity::kMatrix;
  }

  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override {
    const at::Tensor& v = masters.at(1);
    const at::Tensor scale = column(masters.at(0)) / guarded_norm(v);
    if (weight.scalar_type() == v.scalar_type()) {
      at::mul_out(weight, v, scale);
    } else {
      weight.copy_(at::mul(v, scale));
    }
  }

  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override {
    const at::Tensor& v = masters.at(1);
    const at::Tensor norm = guarded_norm(v);
    const at::Tensor dg = reduce(weight_grad.mul(v)) / norm;
    const at::Tensor scale = column(masters.at(0)) / norm;
    master_grads.at(0).copy_(dg.flatten());
    at::Tensor& dv = master_grads.at(1);
    dv.copy_(v).mul_(-dg / norm).add_(weight_grad).mul_(scale);
  }

  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override {
    masters.at(0).copy_(norm_of(weight).flatten());
    masters.at(1).copy_(weight);
  }

 private:
  /// g as a column, or [1, 1].
  static at::Tensor column(const at::Tensor& g) { return g.unsqueeze(1); }

  /// Sum over the elements of each row [out, 1], or of the matrix [1, 1].
  at::Tensor reduce(const at::Tensor& x) const {
    return config_.per == Unit::kRow ? x.sum(1, true) : x.sum().view({1, 1});
  }

  at::Tensor norm_of(const at::Tensor& v) const {
    return config_.per == Unit::kRow ? at::linalg_vector_norm(v, 2, at::IntArrayRef{1}, true)
                                     : at::linalg_vector_norm(v).view({1, 1});
  }

  /// 1 in place of 0: a zero row has no direction, its weight and gradient of length are then 0.
  at::Tensor guarded_norm(const at::Tensor& v) const {
    at::Tensor norm = norm_of(v);
    return norm.masked_fill_(norm.eq(0), 1);
  }

  WeightNormConfig config_;
};

}  // namespace
}  // namespace weight_norm

void register_weight_norm(Family<ParametrizationEntry>& family) {
  add_parametrization<weight_norm::WeightNormConfig, weight_norm::WeightNorm>(
      family, "weight_norm", "Length and direction of each output's weights are trained apart: w = g v/|v|.",
      "Salimans & Kingma 2016, arXiv:1602.07868", {"{per: matrix}", "{embeddings: true}"});
}

}  // namespace ingot
