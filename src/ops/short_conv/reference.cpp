#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "ops/kernel_types.h"
#include "ops/short_conv/short_conv.h"

namespace ingot::ops {

namespace {

at::Tensor rows_of_tail(const at::Tensor& tail, const at::Tensor& x, std::int64_t length) {
  if (!tail.defined()) return at::zeros({x.size(0), length, x.size(2)}, x.options());
  return tail.to(x.scalar_type()).expand({x.size(0), length, x.size(2)});
}

/// What lies `lag` tokens before row `token` of each batch row within its document. tokens, origin [B, n]; result [B,
/// n, C].
at::Tensor lagged(const at::Tensor& sources, const at::Tensor& tokens, const at::Tensor& origin, std::int64_t lag,
                  std::int64_t tail) {
  // sources = [fresh tail | incoming tail | x].
  const at::Tensor start = origin.clamp_min(0);
  const at::Tensor wanted = tokens - lag;
  const at::Tensor in_tail = tail + wanted - start + (origin < 0).to(at::kLong) * tail;
  const at::Tensor index = at::where(wanted >= start, wanted + 2 * tail, in_tail);
  return sources.gather(1, index.unsqueeze(-1).expand({index.size(0), index.size(1), sources.size(2)}));
}

}  // namespace

at::Tensor short_conv_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                const ConvTails& tails, const at::Tensor& origin, bool silu) {
  const std::int64_t batch = x.size(0), length = x.size(1), taps = weight.size(1);
  const at::Tensor sources =
      at::cat({rows_of_tail(tails.fresh, x, taps - 1), rows_of_tail(tails.incoming, x, taps - 1), x}, 1)
          .to(wide_type(x.scalar_type()));
  const at::Tensor tokens = at::arange(length, x.options().dtype(at::kLong)).expand({batch, length});
  const at::Tensor begins = origin.defined() ? origin : at::full({batch, length}, -1, tokens.options());
  at::Tensor y = bias.defined() ? bias.expand({batch, length, x.size(2)}) : at::zeros(x.sizes(), sources.options());
  for (std::int64_t j = 0; j < taps; ++j) {
    y = y + lagged(sources, tokens, begins, taps - 1 - j, taps - 1) * weight.select(1, j);
  }
  return (silu ? at::silu(y) : y).to(x.scalar_type());
}

at::Tensor short_conv_tail(const at::Tensor& x, std::int64_t taps, const ConvTails& tails, const at::Tensor& origin) {
  const std::int64_t batch = x.size(0), length = x.size(1), tail = taps - 1;
  if (!origin.defined()) {
    if (length >= tail) return x.narrow(1, length - tail, tail);
    return at::cat({rows_of_tail(tails.incoming, x, tail), x}, 1).narrow(1, length, tail);
  }
  const at::Tensor sources = at::cat({rows_of_tail(tails.fresh, x, tail), rows_of_tail(tails.incoming, x, tail), x}, 1);
  const at::Tensor last = at::full({batch, 1}, length, origin.options());
  std::vector<at::Tensor> rows;
  for (std::int64_t lag = tail; lag >= 1; --lag) {
    rows.push_back(lagged(sources, last, origin.narrow(1, length - 1, 1), lag, tail));
  }
  return rows.empty() ? x.narrow(1, 0, 0) : at::cat(rows, 1);
}

}  // namespace ingot::ops
