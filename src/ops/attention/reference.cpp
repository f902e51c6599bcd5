#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include "ops/attention/attention.h"

namespace ingot::ops {

at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                               double scale) {
  const std::int64_t group = q.size(2) / k.size(2);
  const at::Tensor keys = k.repeat_interleave(group, 2).transpose(1, 2);
  const at::Tensor values = v.repeat_interleave(group, 2).transpose(1, 2);
  const at::Tensor mask = seen.mask.defined() ? seen.mask : attention_mask(q, k.size(1), seen).to(q.scalar_type());
  const at::Tensor scores = at::matmul(q.transpose(1, 2), keys.transpose(2, 3)) * scale + mask;
  return at::matmul(at::softmax(scores, -1), values).transpose(1, 2);
}

}  // namespace ingot::ops
