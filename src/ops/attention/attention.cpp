#include "ops/attention/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace ingot::ops {

at::Tensor attention_mask(const at::Tensor& query_position, const at::Tensor& key_position,
                          const at::Tensor& same_document, const KeyRule& rule, at::ScalarType type) {
  const at::Tensor key = key_position.unsqueeze(1);
  const at::Tensor distance = query_position.unsqueeze(2) - key;
  at::Tensor seen = distance >= 0;
  if (rule.window > 0) {
    at::Tensor near = distance < rule.window;
    if (rule.always > 0) near = near | (key < rule.always);
    seen = seen & near;
  }
  if (same_document.defined()) seen = seen & same_document;
  const at::Tensor mask = at::zeros(seen.sizes(), seen.options().dtype(type));
  return mask.masked_fill_(seen.logical_not(), -std::numeric_limits<double>::infinity()).unsqueeze(1);
}

at::ScalarType attention_type(const at::Tensor& q) {
  // LibTorch's bf16 kernel for CPUs is no faster than its fp32 one, and up to five times slower at short contexts.
  return q.is_cpu() && q.scalar_type() == at::kBFloat16 ? at::kFloat : q.scalar_type();
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     double scale) {
  const at::ScalarType type = attention_type(q);
  const auto heads_first = [&](const at::Tensor& x) { return x.to(type).transpose(1, 2); };
  const bool causal = !mask.defined() && q.size(1) > 1;
  const bool grouped = q.size(2) != k.size(2);
  const std::optional<at::Tensor> additive = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  const at::Tensor y = at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v), additive, 0.0,
                                                        causal, scale, grouped);
  return y.transpose(1, 2).to(q.scalar_type());
}

}  // namespace ingot::ops
