#include "ops/seed_norm/seed_norm.h"

#include "ops/row_norm/row_norm.h"
#include "ops/seed_norm/cpu.h"
#include "ops/seed_norm/cuda.h"

namespace ingot::ops {

namespace {

constexpr RowNorm kNorm{"seed_norm", seed_norm_cpu::kernels, INGOT_ROW_NORM_GPU_KERNELS(seed_norm)};

}  // namespace

bool has_seed_norm_kernel(const at::Tensor& x, std::int64_t groups, at::ScalarType out_type) {
  return has_row_norm_kernel(x, out_type) && (groups == 1 || x.is_cpu());
}

at::Tensor seed_norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& beta, const at::Tensor& alpha,
                     std::int64_t groups, double eps, std::optional<at::ScalarType> out_type) {
  const at::ScalarType type = out_type.value_or(x.scalar_type());
  TORCH_CHECK(has_seed_norm_kernel(x, groups, type), "seed_norm has no kernel for ", groups, " groups of ",
              x.toString());
  TORCH_CHECK(x.size(-1) % groups == 0, "seed_norm: ", groups, " groups do not divide ", x.size(-1));
  return row_norm_of({&kNorm, {eps, 1, 1, groups}, 1 + groups, type}, x, {}, {gain, beta, alpha});
}

}  // namespace ingot::ops
