#include "ops/layer_norm/layer_norm.h"

#include <ATen/ops/layer_norm.h>

#include "ops/layer_norm/cpu.h"
#include "ops/layer_norm/cuda.h"
#include "ops/row_norm/row_norm.h"

namespace ingot::ops {

namespace {

constexpr RowNorm kNorm{"layer_norm", layer_norm_cpu::kernels, INGOT_ROW_NORM_GPU_KERNELS(layer_norm)};

}  // namespace

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps,
                      std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  if (!has_row_norm_kernel(x, type)) {
    return at::layer_norm(x.to(gain.scalar_type()), gain.sizes(), gain, bias, eps).to(type);
  }
  return row_norm_of({&kNorm, {eps}, 2, type}, x, {}, {gain, bias, {}});
}

}  // namespace ingot::ops
