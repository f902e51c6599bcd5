#pragma once
// What the norms share: statistics in a wide type, gain and bias, gradients in closed form, and registering.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "nn/linear.h"
#include "nn/norm.h"
#include "registry/add_entry.h"

namespace ingot::norms {

using Tensors = std::vector<at::Tensor>;

/// x in the type of statistics: fp64 for fp64, else fp32.
at::Tensor wide(const at::Tensor& x);
/// mean(x) over the last axis, which stays with length 1.
at::Tensor row_mean(const at::Tensor& x);
/// sqrt(mean(x²) + eps) of each row.
at::Tensor root_mean_square(const at::Tensor& x, double eps);
/// Gradient in x of x / s, s = root_mean_square(x, eps), where g is that of the quotient.
at::Tensor rms_gradient(const at::Tensor& g, const at::Tensor& x, const at::Tensor& s);
/// x / (r + eps), r = sqrt(mean of x² over the first k channels), and its gradient in x, which takes d|0| for 0.
at::Tensor over_partial_rms(const at::Tensor& x, std::int64_t k, double eps);
at::Tensor partial_rms_gradient(const at::Tensor& g, const at::Tensor& x, std::int64_t k, double eps);

/// Parameters of one number and of one number per channel.
ParamSpec scalar_spec(std::string name, double start);
ParamSpec vector_spec(std::string name, std::int64_t width, double start);

/// y = gain ⊙ n(x) + bias over the last axis. Everything is computed in fp32 (fp64 for fp64) and rounded once, to the
/// type asked for or else x's. The backward pass keeps x alone: it computes n again and then the gradient in closed
/// form. On a CPU both passes take rows in blocks that fit its cache; the result doesn't depend on the number of
/// threads.
class ClosedFormNorm : public Norm {
 public:
  using Norm::forward;
  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override;

 protected:
  void declare_gain(const NormContext& context) {
    gain_ = context.scope.declare(vector_spec("gain", context.width, context.gain_start));
  }
  void declare_bias(const NormContext& context) { bias_ = context.scope.declare(bias_spec("bias", context.width)); }
  /// Parameters inside n, in the order in which n gets them.
  void declare_inner(const NormContext& context, const ParamSpec& spec) {
    inner_.push_back(context.scope.declare(spec));
  }
  at::Tensor inner(std::size_t i) const { return inner_[i].compute(); }
  /// Gain and bias may be undefined.
  at::Tensor apply(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, const NormInput& input) const;

  Param gain_, bias_;

 private:
  friend struct ClosedFormFunction;
  virtual at::Tensor normalise(const at::Tensor& x, const Tensors& inner) const = 0;
  /// Gradients in x and in each inner parameter, where g is that of n = normalise(x, inner). A parameter's may still
  /// have x's axes: it is summed to the parameter's shape.
  virtual Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& n,
                            const Tensors& inner) const = 0;

  std::vector<Param> inner_;
};

/// The end of references: gain ⊙ n + bias with what there is of both.
at::Tensor with_affine(const at::Tensor& n, const ParamMap& params);

/// `NormEntry::neutral_gain` of a gain that multiplies as it is.
inline double neutral_at_one(const ConfigObject& /*settings*/) { return 1; }

}  // namespace ingot::norms
