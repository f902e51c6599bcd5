#pragma once
// The largest singular value of a matrix by power iteration, with vectors that are kept from step to step.
//
//   once a step:   u ← w v / |w v|,  v ← wᵀ u / |wᵀ u|      σ ≈ uᵀ w v ≤ the largest singular value
//
// w [out, in]; u [out], v [in].

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "params/autograd_parametrization.h"
#include "params/kept_state.h"

namespace ingot {
class Fields;
}

namespace ingot::power_iteration {

/// Moves u and v in place.
void iterate(const at::Tensor& w, at::Tensor& u, at::Tensor& v, std::int64_t times);
/// u and v after 15 iterations, as many as PyTorch's spectral_norm takes, from the longest row: from afar σ is too
/// small.
void start(const at::Tensor& w, at::Tensor& u, at::Tensor& v);
/// uᵀ w v, differentiable in w; u and v count as constants. 1 in place of 0: a zero matrix stays zero.
at::Tensor sigma(const at::Tensor& w, const at::Tensor& u, const at::Tensor& v);

struct Settings {
  std::int64_t iterations = 1;
  bool embeddings = false;
};
void describe(Fields& f, Settings& c);

/// A parametrization by w / σ, where w is its first master and u, v are its last two. The gradient of w / σ in w is
/// (dW - <dW, w> u vᵀ / σ) / σ.
class OverSigma : public AutogradParametrization {
 public:
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, settings_.embeddings); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override;
  void advance(std::vector<at::Tensor>& masters) const override;
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override;
  bool can_assign() const override { return false; }

 protected:
  explicit OverSigma(const Settings& settings) : settings_(settings) {}
  static at::Tensor sigma_of(const std::vector<at::Tensor>& masters);

 private:
  Settings settings_;
};

}  // namespace ingot::power_iteration
