#pragma once
// What residual rules share.

#include <functional>
#include <string>
#include <vector>

#include "nn/residual.h"
#include "registry/add_entry.h"

namespace ingot::residuals {

/// One tensor x and branches that join it with a factor of the rule's own:
///   x_{n+1} = skip_n skipped(n, x_n) + scale_n · scaled(n, f_n)
/// skip and scale are the placement's, 1 unless it sets them. The stream keeps its dtype whatever the branch's.
class ScaledResidual : public Residual {
 public:
  Stream begin(const at::Tensor& x) const override { return {{x}}; }
  at::Tensor read(int /*depth*/, const Stream& stream) const override { return stream.tensors.front(); }
  Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& pass) const override;
  at::Tensor end(const Stream& stream) const override { return stream.tensors.front(); }

 protected:
  explicit ScaledResidual(const ResidualContext& context);

 private:
  virtual at::Tensor scaled(int depth, const at::Tensor& branch, const Pass& pass) const = 0;
  /// May be wider than the stream.
  virtual at::Tensor skipped(int depth, const at::Tensor& x) const {
    (void)depth;
    return x;
  }

  std::vector<double> branch_, skip_;
};

/// A stream of n tensors, kept as one [B, T, n, D] that starts as n copies of x.
class ManyStreams : public Residual {
 public:
  Stream begin(const at::Tensor& x) const override;
  /// Behind the first sub-layer the streams lie in memory of their own.
  Stream begin_at(int depth, const at::Tensor& x) const override;

 protected:
  explicit ManyStreams(std::int64_t streams) : streams_(streams) {}

  const std::int64_t streams_;
};

/// x in fp32 (fp64 stays).
at::Tensor wide(const at::Tensor& x);

/// skip · x + scale · branch in x's dtype.
at::Tensor add_branch(const at::Tensor& x, double skip, const at::Tensor& branch, double scale);

/// A rule of its own form has no place for a placement's factors: ConfigError if there are any.
void refuse_factors(const ResidualContext& context, const std::string& rule);

/// A parameter in every sub-layer's scope, declared from `spec(depth)`.
std::vector<Param> declare_each(const ResidualContext& context, const std::function<ParamSpec(int depth)>& spec);

/// x / sqrt(mean x² + 1e-6) over the last axis, in fp32 (fp64 for fp64), without a gain.
at::Tensor unit_rms(const at::Tensor& x);

}  // namespace ingot::residuals
