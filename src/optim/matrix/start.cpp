#include "optim/matrix/start.h"

#include <ATen/ops/empty.h>

#include "base/random.h"
#include "base/text.h"

namespace ingot {

void start_normal(at::Tensor& state, const std::string& purpose, const Master& master) {
  RandomStream random(0, cat(purpose, "/", master.name));
  at::Tensor drawn = at::empty({state.numel()}, at::kDouble);
  double* const values = drawn.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i) values[i] = random.normal();
  state.copy_(drawn.view(state.sizes()));
}

}  // namespace ingot
