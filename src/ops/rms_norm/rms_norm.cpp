#include "ops/rms_norm/rms_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include "device/gpu.h"
#include "ops/kernel_types.h"
#include "ops/rms_norm/cpu.h"
#include "ops/rms_norm/cuda.h"
#include "ops/row_norm/row_norm.h"

namespace ingot::ops {

namespace {

using row_norm::Settings;
using Parameters = std::array<at::Tensor, row_norm::kMaxParameters>;

IngotCudaNorm gpu_norm(const RowNormInputs& in) {
  return {gpu_type(in.x),
          in.out_type == at::kBFloat16 ? GpuType::kBfloat16 : GpuType::kFloat,
          in.x.data_ptr(),
          raw<void>(in.gate),
          in.x_rows,
          in.gate_rows,
          raw<float>(in.parameters[0]),
          static_cast<float>(in.settings.factor),
          static_cast<float>(in.settings.eps),
          static_cast<float>(in.settings.scale),
          gpu_stream()};
}

void gpu_forward(const RowNormInputs& in, const at::Tensor& y, const at::Tensor& r) {
  INGOT_GPU_FUNCTION(ingot_cuda_norm_forward)(gpu_norm(in), y.data_ptr(), r.data_ptr<float>());
}

Parameters gpu_backward(const RowNormInputs& in, const at::Tensor& r, const at::Tensor& dy, const at::Tensor& dx,
                        const at::Tensor& dgate) {
  const IngotCudaNorm norm = gpu_norm(in);
  const std::int64_t count = INGOT_GPU_FUNCTION(ingot_cuda_norm_partials)(norm);
  at::Tensor parts;
  if (in.parameters[0].defined()) parts = at::empty({count, in.x_rows.width}, in.parameters[0].options());
  INGOT_GPU_FUNCTION(ingot_cuda_norm_backward)
  (norm, r.data_ptr<float>(), dy.data_ptr(), dx.data_ptr(), raw<void>(dgate), raw<float>(parts));
  return {parts.defined() ? parts.sum(0) : parts, {}, {}};
}

constexpr RowNorm kNorm{"rms_norm", rms_norm_cpu::kernels, gpu_forward, gpu_backward};

/// Whether kernels take rows of this width: on GPUs a thread keeps its part of a row in registers.
bool has_norm_kernel(const at::Tensor& x) {
  if (!has_gpu_kernel(x)) return has_cpu_kernel(x);
  IngotCudaNorm norm{};
  norm.type = gpu_type(x);
  norm.x_rows.width = x.size(-1);
  norm.x_rows.stride = 1;  // the worst case: no packed access
  return INGOT_GPU_FUNCTION(ingot_cuda_norm_fits)(norm);
}

at::Tensor apply(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, const Settings& settings,
                 at::ScalarType out_type) {
  return row_norm_of({&kNorm, settings, 1, out_type}, x, gate, {gain, {}, {}});
}

/// 1 / sqrt(mean x² + eps).
Settings of_mean(const at::Tensor& x, double eps) { return {eps, 1.0 / static_cast<double>(x.size(-1))}; }

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& gain, double eps, std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  if (!can_write(x, type) || !has_norm_kernel(x)) return rms_norm_reference(x, gain, eps).to(type);
  return apply(x, {}, gain, of_mean(x, eps), type);
}

at::Tensor l2_norm(const at::Tensor& x, double eps, double scale) {
  if (!has_norm_kernel(x)) return l2_norm_reference(x, eps, scale);
  return apply(x, {}, {}, {eps, 1.0, scale}, x.scalar_type());
}

at::Tensor gated_rms_norm(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps) {
  if (!has_norm_kernel(x)) return gated_rms_norm_reference(x, gate, gain, eps);
  return apply(x, gate.to(x.scalar_type()), gain, of_mean(x, eps), x.scalar_type());
}

}  // namespace ingot::ops
