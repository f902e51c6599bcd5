#include "ops/chunk/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/matmul.h>

#include <algorithm>

#include "device/parallel.h"
#include "device/simd.h"
#include "ops/kernel_types.h"

namespace ingot::ops {
namespace {

/// The heads of all rows one after another; `group` of them share q and k.
template <class A>
struct Step {
  A* state;
  const A *q, *k, *v, *decay, *beta;  // decay as a factor; decay and beta may be null
  A *change, *y;
  std::int64_t group, keys, values;

  void run(std::int64_t begin, std::int64_t end) const { INGOT_MULTIVERSION(heads(begin, end)); }

 private:
  INGOT_INLINE void heads(std::int64_t begin, std::int64_t end) const {
    for (auto h = begin; h < end; ++h) head(h);
  }

  INGOT_INLINE void head(std::int64_t h) const {
    A* __restrict const s = state + h * keys * values;
    const A *const query = q + h / group * keys, *const key = k + h / group * keys;
    const A keep = decay != nullptr ? decay[h] : A(1);
    const A* written = v + h * values;
    if (beta != nullptr) {
      A* __restrict const c = change + h * values;
      for (std::int64_t j = 0; j < values; ++j) c[j] = 0;
      for (std::int64_t i = 0; i < keys; ++i) {
        for (std::int64_t j = 0; j < values; ++j) c[j] += key[i] * s[i * values + j];
      }
      for (std::int64_t j = 0; j < values; ++j) c[j] = beta[h] * (written[j] - keep * c[j]);
      written = c;
    }
    A* __restrict const out = y + h * values;
    for (std::int64_t j = 0; j < values; ++j) out[j] = 0;
    for (std::int64_t i = 0; i < keys; ++i) {
      A* __restrict const row = s + i * values;
      for (std::int64_t j = 0; j < values; ++j) {
        row[j] = keep * row[j] + key[i] * written[j];
        out[j] += query[i] * row[j];
      }
    }
  }
};

/// token's tensors are contiguous and of state's type, log_decay a factor by now.
template <class A>
at::Tensor step_on_cpu(const StateToken& token, const at::Tensor& state) {
  const at::Tensor y = at::empty_like(token.v), change = at::empty_like(token.v);
  const auto keys = state.size(2), values = state.size(3);
  const Step<A> step = {raw<A>(state),
                        raw<A>(token.q),
                        raw<A>(token.k),
                        raw<A>(token.v),
                        raw<A>(token.log_decay),
                        raw<A>(token.beta),
                        raw<A>(change),
                        raw<A>(y),
                        state.size(1) / token.q.size(1),
                        keys,
                        values};
  const auto grain = std::max<std::int64_t>(1, kSerialElements / (keys * values));
  parallel_for(0, state.size(0) * state.size(1), grain,
               [&](std::int64_t begin, std::int64_t end) { step.run(begin, end); });
  return y;
}

at::Tensor step_by_calls(const StateToken& token, const at::Tensor& state) {
  const std::int64_t group = state.size(1) / token.q.size(1);
  const auto of_heads = [&](const at::Tensor& x) { return group == 1 ? x : x.repeat_interleave(group, 1); };
  const at::Tensor key = of_heads(token.k).unsqueeze(-1), query = of_heads(token.q).unsqueeze(2);
  if (token.log_decay.defined()) state.mul_(token.log_decay.unsqueeze(-1).unsqueeze(-1));
  at::Tensor written = token.v;
  if (token.beta.defined()) {
    written = token.beta.unsqueeze(-1) * (written - at::matmul(key.transpose(2, 3), state).squeeze(2));
  }
  state.addcmul_(key, written.unsqueeze(2));
  return at::matmul(query, state).squeeze(2);
}

}  // namespace

at::Tensor state_step(const StateToken& token, const at::Tensor& state) {
  const at::NoGradGuard no_grad;
  const auto wide = [&](const at::Tensor& x) { return x.defined() ? x.to(state.scalar_type()).contiguous() : x; };
  StateToken in = {wide(token.q), wide(token.k), wide(token.v), wide(token.log_decay), wide(token.beta)};
  if (in.log_decay.defined()) in.log_decay = at::exp(in.log_decay);
  at::Tensor y;
  if (!state.is_cpu() || !state.is_contiguous()) {
    y = step_by_calls(in, state);
  } else if (state.scalar_type() == at::kDouble) {
    y = step_on_cpu<double>(in, state);
  } else {
    y = step_on_cpu<float>(in, state);
  }
  return y.to(token.v.scalar_type());
}

}  // namespace ingot::ops
