#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "ops/delta_rule/delta_rule.h"

namespace ingot::ops {

Recurrence delta_rule_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& beta,
                                const RecurrentStates& states, const at::Tensor& origin) {
  const std::vector<std::int64_t> shape = {q.size(0), q.size(2), q.size(3), v.size(3)};
  at::Tensor state = start_state(states.incoming, shape, v.options());
  const at::Tensor fresh = start_state(states.fresh, shape, v.options());
  std::vector<at::Tensor> rows;
  for (std::int64_t t = 0; t < q.size(1); ++t) {
    if (origin.defined()) state = at::where((origin.select(1, t) == t).view({-1, 1, 1, 1}), fresh, state);
    const at::Tensor key = k.select(1, t).unsqueeze(-1);  // [B, H, dk, 1]
    const at::Tensor predicted = at::matmul(key.transpose(2, 3), state).squeeze(2);
    const at::Tensor change = beta.select(1, t).unsqueeze(-1) * (v.select(1, t) - predicted);
    state = state + key * change.unsqueeze(2);
    rows.push_back(at::matmul(q.select(1, t).unsqueeze(2), state).squeeze(2));
  }
  return {at::stack(rows, 1), state};
}

}  // namespace ingot::ops
