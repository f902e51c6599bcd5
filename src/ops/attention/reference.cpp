#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <limits>

#include "ops/attention/attention.h"

namespace ingot::ops {

at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                               double scale) {
  const std::int64_t group = q.size(2) / k.size(2);
  const at::Tensor keys = k.repeat_interleave(group, 2).transpose(1, 2);
  const at::Tensor values = v.repeat_interleave(group, 2).transpose(1, 2);
  at::Tensor scores = at::matmul(q.transpose(1, 2), keys.transpose(2, 3)) * scale;
  if (mask.defined()) {
    scores = scores + mask;
  } else if (q.size(1) > 1) {
    const double low = -std::numeric_limits<double>::infinity();
    scores = scores + at::full({q.size(1), k.size(1)}, low, q.options()).triu(1);
  }
  return at::matmul(at::softmax(scores, -1), values).transpose(1, 2);
}

}  // namespace ingot::ops
