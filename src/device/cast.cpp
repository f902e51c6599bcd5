#include "device/cast.h"

#include "device/cast_kernels.h"
#include "device/parallel.h"

namespace ingot {

namespace {

constexpr std::int64_t kGrain = 1 << 15;  // elements

}  // namespace

void cast_into(const at::Tensor& to, const at::Tensor& from) {
  const bool has_kernel = from.is_cpu() && to.is_cpu() && from.scalar_type() == at::kFloat &&
                          to.scalar_type() == at::kBFloat16 && from.is_contiguous() && to.is_contiguous();
  if (!has_kernel || from.sizes() != to.sizes()) {
    to.copy_(from);
    return;
  }
  const float* x = from.const_data_ptr<float>();
  auto* out = static_cast<std::uint16_t*>(to.mutable_data_ptr());
  parallel_for(0, from.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    cast_kernels::to_bfloat16(out + begin, x + begin, end - begin);
  });
}

}  // namespace ingot
