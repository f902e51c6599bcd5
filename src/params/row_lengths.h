#pragma once
// Rows, or whole matrices, as length times direction: what weight_norm, row_norms, weight_conditioning and fix_norm
// share.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "params/parametrization.h"

namespace ingot::row_lengths {

enum class Unit { kRow, kMatrix };

/// Euclidean length of each row of v [out, in]: [out, 1]; of the matrix: [1, 1].
at::Tensor of(const at::Tensor& v, Unit unit);
/// The same with 1 in place of 0: zeros have no direction, their weight and the gradient of their length are then 0.
at::Tensor guarded(const at::Tensor& v, Unit unit);

/// W_i = g_i v_i / |v_i| with trained g [out] (or [1], with |v| that of the matrix) and v [out, in].
///
///   dg_i = <dW_i, v_i> / |v_i|
///   dv_i = (g_i / |v_i|) (dW_i - dg_i v_i / |v_i|)
///
/// dv is orthogonal to v, so that decay would change the size of v's steps alone: it acts on g. A weight W is v = W,
/// g_i = |W_i|. Norms and gradients in master dtype.
class LengthAndDirection : public Parametrization {
 public:
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, embeddings_); }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override;
  Granularity granularity(const ParamInfo& info) const override;
  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override;
  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override;
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override;

 protected:
  /// `length`, `direction`: suffixes of g and v.
  LengthAndDirection(Unit unit, bool embeddings, std::string length, std::string direction);

 private:
  Unit unit_;
  bool embeddings_;
  std::string length_, direction_;
};

/// W_i = c w_i / |w_i| with a constant c.
///
///   dw_i = (c / |w_i|) (dW_i - <dW_i, w_i> w_i / |w_i|²), or with the length as a constant: (c / |w_i|) dW_i
class FixedLength : public Parametrization {
 public:
  std::vector<MasterSpec> masters(const ParamInfo& info) const override;
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kRow; }
  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override;
  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override;
  bool has_exact_gradient() const override { return !detaches_; }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override;
  bool can_assign() const override { return false; }

 protected:
  explicit FixedLength(double length, bool detaches = false) : length_(length), detaches_(detaches) {}

 private:
  double length_;
  bool detaches_;  // the length counts as constant
};

}  // namespace ingot::row_lengths
