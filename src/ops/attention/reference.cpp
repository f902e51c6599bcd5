#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <limits>

#include "ops/attention/attention.h"

namespace ingot::ops {

at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                               double scale, std::int64_t window) {
  const std::int64_t group = q.size(2) / k.size(2);
  const at::Tensor keys = k.repeat_interleave(group, 2).transpose(1, 2);
  const at::Tensor values = v.repeat_interleave(group, 2).transpose(1, 2);
  at::Tensor scores = at::matmul(q.transpose(1, 2), keys.transpose(2, 3)) * scale;
  if (mask.defined()) {
    scores = scores + mask;
  } else {
    const std::int64_t queries = q.size(1), own = k.size(1) - queries;  // query i is token own + i
    const double low = -std::numeric_limits<double>::infinity();
    const at::Tensor hidden = at::full({queries, k.size(1)}, low, q.options());
    scores = scores + hidden.triu(own + 1);
    if (window > 0) scores = scores + hidden.tril(own - window);
  }
  return at::matmul(at::softmax(scores, -1), values).transpose(1, 2);
}

}  // namespace ingot::ops
