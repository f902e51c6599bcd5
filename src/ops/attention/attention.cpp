#include "ops/attention/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "device/gpu.h"
#include "ops/attention/cpu.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

/// 0 where seen [B or 1, T, S] is true, else -inf: [B or 1, 1, T, S].
at::Tensor additive(const at::Tensor& seen, at::ScalarType type) {
  const at::Tensor mask = at::zeros(seen.sizes(), seen.options().dtype(type));
  return mask.masked_fill_(seen.logical_not(), -std::numeric_limits<double>::infinity()).unsqueeze(1);
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

/// Whether cuDNN's causal kernel is taken: in training, where a shape pays for its set-up, from Hopper on, where it is
/// faster.
bool prefers_cudnn(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen) {
  static const bool is_recent = gpu_info().major >= 9;
  return is_recent && q.size(1) == k.size(1) && q.size(2) == k.size(2) && seen.window == 0 && q.size(3) <= 128 &&
         needs_grad({q, k});
}

at::Tensor cudnn(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(1, 2); };
  return std::get<0>(at::_scaled_dot_product_cudnn_attention(heads_first(q), heads_first(k), heads_first(v),
                                                             /*attn_bias=*/std::nullopt, /*compute_log_sumexp=*/true,
                                                             0.0, /*is_causal=*/true, /*return_debug_mask=*/false,
                                                             scale))
      .transpose(1, 2);
}

at::Tensor library_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                             double scale) {
  const at::ScalarType type = attention_type(q);
  const auto heads_first = [&](const at::Tensor& x) { return x.to(type).transpose(1, 2); };
  const bool causal = !mask.defined() && q.size(1) > 1;
  const bool grouped = q.size(2) != k.size(2);
  const at::Tensor y = at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v),
                                                        if_defined(mask), 0.0, causal, scale, grouped);
  return y.transpose(1, 2).to(q.scalar_type());
}

}  // namespace

at::ScalarType attention_type(const at::Tensor& q) {
  // LibTorch's bf16 kernel for CPUs is no faster than its fp32 one, and up to five times slower at short contexts.
  return q.is_cpu() && q.scalar_type() == at::kBFloat16 ? at::kFloat : q.scalar_type();
}

bool attention_needs_mask(const at::Tensor& q, const VisibleKeys& seen) {
  const bool in_order = !seen.start.defined() && (seen.window == 0 || seen.front == 0 || !seen.front_always);
  return !seen.mask.defined() && !has_cpu_kernel(q) && !in_order;
}

at::Tensor attention_mask(const at::Tensor& q, std::int64_t keys, const VisibleKeys& seen) {
  const at::TensorOptions options = q.options().dtype(at::kLong).requires_grad(false);
  const at::Tensor own = at::arange(keys - q.size(1), keys, options).unsqueeze(1), key = at::arange(keys, options);
  at::Tensor start = at::full({1, 1, 1}, seen.front, options);
  if (seen.start.defined()) start = seen.start.unsqueeze(2);
  at::Tensor behind = (key >= start) & (key <= own);
  at::Tensor front = (key < seen.front).expand_as(behind);
  if (seen.window > 0) {
    behind = behind & (own - key < seen.window);
    if (!seen.front_always) front = front & (own - start + seen.front - key < seen.window);
  }
  return additive(front | behind, attention_type(q));
}

at::Tensor attention_mask(const at::Tensor& query_position, const at::Tensor& key_position,
                          const at::Tensor& same_document, const PositionRule& rule, at::ScalarType type) {
  const at::Tensor key = key_position.unsqueeze(1);
  const at::Tensor distance = query_position.unsqueeze(2) - key;
  at::Tensor seen = distance >= 0;
  if (rule.window > 0) {
    at::Tensor near = distance < rule.window;
    if (rule.always > 0) near = near | (key < rule.always);
    seen = seen & near;
  }
  if (same_document.defined()) seen = seen & same_document;
  return additive(seen, type);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                     double scale) {
  if (seen.mask.defined()) return library_attention(q, k, v, seen.mask, scale);
  if (suits_cpu_attention_step(q, k, seen)) return cpu_attention_step(q, k, v, seen, scale);
  if (has_cpu_kernel(q)) return cpu_attention(q, k, v, seen, scale);
  if (attention_needs_mask(q, seen)) return library_attention(q, k, v, attention_mask(q, k.size(1), seen), scale);
  if (has_flash(q)) return prefers_cudnn(q, k, seen) ? cudnn(q, k, v, scale) : flash(q, k, v, scale, seen.window);
  const bool square = q.size(1) == k.size(1) && seen.window == 0, one = q.size(1) == 1 && seen.window == 0;
  return library_attention(q, k, v, square || one ? at::Tensor() : attention_mask(q, k.size(1), seen), scale);
}

}  // namespace ingot::ops
