#include "optim/noise.h"

#include <ATen/ops/empty.h>

#include "base/random.h"
#include "base/text.h"
#include "device/parallel.h"

namespace ingot {

at::Tensor normal_noise(at::IntArrayRef shape, std::uint64_t key, const at::TensorOptions& options) {
  constexpr std::int64_t kGrain = 1 << 12;
  const at::Tensor out = at::empty(shape, at::TensorOptions(options.dtype()));
  const auto fill = [&]<class T>(T* data) {
    parallel_for(0, out.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      RandomStream random(key, 2 * static_cast<std::uint64_t>(begin));  // a normal number takes two values
      for (std::int64_t i = begin; i < end; ++i) data[i] = static_cast<T>(random.normal());
    });
  };
  if (out.scalar_type() == at::kDouble) {
    fill(out.data_ptr<double>());
  } else {
    fill(out.data_ptr<float>());
  }
  return out.to(options.device());
}

void start_normal(at::Tensor& state, const std::string& purpose, const Master& master) {
  state.copy_(normal_noise(state.sizes(), stream_key(0, cat(purpose, "/", master.name)), at::kDouble));
}

}  // namespace ingot
