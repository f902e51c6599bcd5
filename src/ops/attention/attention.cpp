#include "ops/attention/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
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

namespace {

/// What is seen without a mask, as one: [1, 1, T, S].
at::Tensor causal_mask(std::int64_t queries, std::int64_t keys, std::int64_t window, const at::TensorOptions& options) {
  const at::TensorOptions index = options.dtype(at::kLong);
  return attention_mask(at::arange(keys - queries, keys, index).unsqueeze(0), at::arange(keys, index).unsqueeze(0), {},
                        {window, 0}, c10::typeMetaToScalarType(options.dtype()));
}

bool has_flash(const at::Tensor& q) {
  return q.is_cuda() && q.scalar_type() == at::kBFloat16 && q.size(3) % 8 == 0 && q.size(3) <= 256;
}

at::Tensor flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale, std::int64_t window) {
  std::optional<std::int64_t> left, right;
  if (window > 0) {
    left = window - 1;
    right = 0;
  }
  return std::get<0>(at::_flash_attention_forward(q, k, v, std::nullopt, std::nullopt, q.size(1), k.size(1), 0.0,
                                                  /*is_causal=*/true, /*return_debug_mask=*/false, scale, left, right));
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     double scale, std::int64_t window) {
  if (!mask.defined() && has_flash(q)) return flash(q, k, v, scale, window);
  const at::ScalarType type = attention_type(q);
  const auto heads_first = [&](const at::Tensor& x) { return x.to(type).transpose(1, 2); };
  const std::int64_t queries = q.size(1), keys = k.size(1);
  const bool square = queries == keys && window == 0;
  std::optional<at::Tensor> additive;
  if (mask.defined()) {
    additive = mask;
  } else if (!square && (queries > 1 || window > 0)) {
    additive = causal_mask(queries, keys, window, q.options().dtype(type));
  }
  const bool causal = !additive && queries > 1;
  const bool grouped = q.size(2) != k.size(2);
  const at::Tensor y = at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v), additive, 0.0,
                                                        causal, scale, grouped);
  return y.transpose(1, 2).to(q.scalar_type());
}

}  // namespace ingot::ops
