// Weight compander: every weight through a function that saturates.
//
//   W = a ψ(v / b)      ψ(x) = arctan x, tanh x or x / (1 + |x|)
//
// v [out, in]; a, b > 0 one for the matrix, learned as log a and log b [1] unless `learn` is off. |W| stays below a
// ψ(∞), and where a > b small weights change by a/b as much as v does, which drives them off zero.
// Cakaj, Mehnert & Yang 2023, "Weight Compander: A Simple Weight Reparameterization for Regularization",
// arXiv:2306.16993: a nonlinear function of each weight that restricts its magnitude and forces it away from zero, with
// hyper-parameters that may be learned. The text gives no start values that fit other models, and no code is published:
// results with this file are of that form, not of theirs. Start: a ψ(∞) = `range` times the largest |weight|, b = a (at
// 0 the map has slope 1), and v such that W is the start weight. Decay acts on v alone.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arctan.h>
#include <ATen/ops/atanh.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/tanh.h>

#include <cmath>
#include <numbers>

#include "config/fields.h"
#include "params/autograd_parametrization.h"

namespace ingot::weight_compander {
namespace {

enum class Shape { kArctan, kTanh, kSoftsign };

struct WeightCompanderConfig {
  Shape shape = Shape::kArctan;
  double range = 2;
  bool learn = true;
  bool embeddings = false;
};

void describe(Fields& f, WeightCompanderConfig& c) {
  f.choice("shape", c.shape, {{"arctan", Shape::kArctan}, {"tanh", Shape::kTanh}, {"softsign", Shape::kSoftsign}},
           "the function that saturates");
  f.field("range", c.range, "the bound of weights at the start, over the largest start weight", Rule{}.above(1));
  f.field("learn", c.learn, "whether the factors outside and inside of the function are trained");
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class WeightCompander final : public AutogradParametrization {
 public:
  explicit WeightCompander(const WeightCompanderConfig& config) : config_(config) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, config_.embeddings); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    return {{".v", info.shape},
            {".log_a", {1}, config_.learn, /*decays=*/false},
            {".log_b", {1}, config_.learn, /*decays=*/false}};
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override {
    const at::Tensor largest = weight.abs().max();
    const at::Tensor a = largest.masked_fill(largest.eq(0), 1) * (config_.range / limit());
    m[1].copy_(a.log());
    m[2].copy_(m[1]);
    m[0].copy_(m[2].exp() * inverse(weight / m[1].exp()));
  }

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override {
    return m[1].exp() * saturated(m[0] / m[2].exp());
  }
  /// ψ(∞)
  double limit() const { return config_.shape == Shape::kArctan ? std::numbers::pi / 2 : 1; }
  at::Tensor saturated(const at::Tensor& x) const {
    switch (config_.shape) {
      case Shape::kArctan:
        return at::arctan(x);
      case Shape::kTanh:
        return at::tanh(x);
      case Shape::kSoftsign:
        return x / (1 + x.abs());
    }
    return x;
  }
  at::Tensor inverse(const at::Tensor& y) const {
    switch (config_.shape) {
      case Shape::kArctan:
        return at::tan(y);
      case Shape::kTanh:
        return at::atanh(y);
      case Shape::kSoftsign:
        return y / (1 - y.abs());
    }
    return y;
  }

  WeightCompanderConfig config_;
};

}  // namespace
}  // namespace ingot::weight_compander

namespace ingot {

void register_weight_compander(Family<ParametrizationEntry>& family) {
  add_parametrization<weight_compander::WeightCompanderConfig, weight_compander::WeightCompander>(
      family, "weight_compander", "Every weight through a function that saturates.",
      "Cakaj et al. 2023, arXiv:2306.16993",
      {"{shape: tanh, learn: false}", "{shape: softsign, range: 1.5, embeddings: true}"});
}

}  // namespace ingot
