#include "ops/dyt/dyt.h"

#include "ops/dyt/cpu.h"
#include "ops/dyt/cuda.h"
#include "ops/row_norm/row_norm.h"

namespace ingot::ops {

namespace {

constexpr RowNorm kNorm{"dyt", dyt_cpu::kernels, INGOT_ROW_NORM_GPU_KERNELS(dyt)};

}  // namespace

at::Tensor dyt(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& gain, const at::Tensor& bias,
               std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  TORCH_CHECK(has_row_norm_kernel(x, type), "dyt has no kernel for ", x.toString());
  return row_norm_of({&kNorm, {}, 0, type}, x, {}, {alpha, gain, bias});
}

}  // namespace ingot::ops
