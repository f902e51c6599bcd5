#include "ops/rms_norm/rms_norm.h"

#include "ops/rms_norm/cpu.h"
#include "ops/rms_norm/cuda.h"
#include "ops/row_norm/row_norm.h"

namespace ingot::ops {

namespace {

using row_norm::Settings;

constexpr RowNorm kNorm{"rms_norm", rms_norm_cpu::kernels, INGOT_ROW_NORM_GPU_KERNELS(rms_norm)};

at::Tensor apply(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, const Settings& settings,
                 at::ScalarType out_type) {
  return row_norm_of({&kNorm, settings, 1, out_type}, x, gate, {gain, {}, {}});
}

/// 1 / sqrt(mean x² + eps).
Settings of_mean(const at::Tensor& x, double eps) { return {eps, 1.0 / static_cast<double>(x.size(-1))}; }

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& gain, double eps, std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  if (!has_row_norm_kernel(x, type)) return rms_norm_reference(x, gain, eps).to(type);
  return apply(x, {}, gain, of_mean(x, eps), type);
}

at::Tensor l2_norm(const at::Tensor& x, double eps, double scale) {
  if (!has_row_norm_kernel(x, x.scalar_type())) return l2_norm_reference(x, eps, scale);
  return apply(x, {}, {}, {eps, 1.0, scale}, x.scalar_type());
}

at::Tensor gated_rms_norm(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps) {
  if (!has_row_norm_kernel(x, x.scalar_type())) return gated_rms_norm_reference(x, gate, gain, eps);
  return apply(x, gate.to(x.scalar_type()), gain, of_mean(x, eps), x.scalar_type());
}

}  // namespace ingot::ops
