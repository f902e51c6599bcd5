#include "ops/attention/cpu.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "device/parallel.h"
#include "ops/attention/blocks.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

using attention_cpu::Backward;
using attention_cpu::Forward;
using attention_cpu::Heads;
using attention_cpu::Sizes;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class In>
Heads<In> heads_of(const at::Tensor& x) {
  using T = std::remove_const_t<In>;
  return {static_cast<In*>(raw<T>(x)), x.stride(0), x.stride(1), x.stride(2)};
}

Sizes sizes_of(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen, double scale) {
  const std::int64_t groups = k.size(2);
  Sizes sizes{q.size(0), q.size(1), k.size(1), groups, q.size(2) / groups, q.size(3), scale, {}};
  sizes.visible = {seen.window, seen.front, seen.front_always, nullptr, 0};
  if (seen.start.defined()) {
    sizes.visible.start = seen.start.const_data_ptr<std::int64_t>();
    sizes.visible.start_row = seen.start.size(0) == 1 ? 0 : seen.start.stride(0);
  } else if (seen.window == 0 || !seen.front_always) {
    sizes.visible.front = 0;  // all keys are one sequence
  }
  return sizes;
}

/// Calls f(item, scratch of the thread) for all items, the last first: those have the most keys. Items go to whichever
/// thread is free, since they differ in length.
template <class F>
void for_items(std::int64_t items, std::int64_t scratch_size, const at::TensorOptions& options, F f) {
  const std::int64_t threads = std::min<std::int64_t>(items, at::get_num_threads());
  const at::Tensor scratch = at::empty({threads, scratch_size}, options);
  std::atomic<std::int64_t> taken{0};
  parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) {
      auto* const own = static_cast<std::byte*>(scratch.data_ptr()) + thread * scratch_size * scratch.element_size();
      for (std::int64_t item = taken++; item < items; item = taken++) f(items - 1 - item, own);
    }
  });
}

/// Blocks of an item: as many as leave a few items for each thread.
std::int64_t span_of(std::int64_t groups, std::int64_t blocks) {
  std::int64_t span = attention_cpu::kMaxSpan;
  while (span > 1 && groups * ((blocks + span - 1) / span) < 3 * at::get_num_threads()) span /= 2;
  return span;
}

at::TensorOptions wide_options(const at::Tensor& x) {
  return x.options().dtype(wide_type(x.scalar_type())).requires_grad(false);
}

/// y, and the log-sum-exp [B, H', T · H/H'].
std::pair<at::Tensor, at::Tensor> forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                          const VisibleKeys& seen, double scale) {
  const Sizes sizes = sizes_of(q, k, seen, scale);
  const at::Tensor y = at::empty(q.sizes(), q.options().requires_grad(false));
  const at::Tensor lse = at::empty({sizes.batch, sizes.groups, sizes.rows()}, wide_options(q));
  with_kernel_types(q.scalar_type(), [&]<class In, class A>() {
    const Forward<In, A> kernel{sizes,
                                heads_of<const In>(q),
                                heads_of<const In>(k),
                                heads_of<const In>(v),
                                heads_of<In>(y),
                                raw<A>(lse),
                                span_of(sizes.batch * sizes.groups, sizes.row_blocks())};
    for_items(kernel.items(), kernel.scratch(), lse.options(),
              [&](std::int64_t item, void* scratch) { kernel.run(item, static_cast<A*>(scratch)); });
  });
  return {y, lse};
}

/// One group an item needs five products a block, keys and rows apart seven, which more threads can share.
bool by_group(std::int64_t groups) {
  const std::int64_t threads = at::get_num_threads();
  return (groups + threads - 1) / threads * threads * 5 <= groups * 7;
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const VisibleKeys& seen, double scale) {
    const auto [y, lse] = ops::forward(q, k, v, seen, scale);
    ctx->save_for_backward({q, k, v, y, lse, seen.start});
    ctx->saved_data["window"] = seen.window;
    ctx->saved_data["front"] = seen.front;
    ctx->saved_data["front_always"] = seen.front_always;
    ctx->saved_data["scale"] = scale;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "attention has no second derivative");
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &y = saved[3], &lse = saved[4];
    const VisibleKeys seen{ctx->saved_data["window"].toInt(),
                           ctx->saved_data["front"].toInt(),
                           ctx->saved_data["front_always"].toBool(),
                           saved[5],
                           {}};
    const Sizes sizes = sizes_of(q, k, seen, ctx->saved_data["scale"].toDouble());
    const std::int64_t groups = sizes.batch * sizes.groups;
    const at::Tensor dy = with_unit_rows(grads[0]);
    const at::Tensor dq = at::empty(q.sizes(), y.options()), dk = at::empty(k.sizes(), y.options()),
                     dv = at::empty(v.sizes(), y.options()), delta = at::empty(lse.sizes(), lse.options());
    with_kernel_types(q.scalar_type(), [&]<class In, class A>() {
      using Kernel = Backward<In, A>;
      using Part = typename Kernel::Part;
      const Kernel kernel{sizes,
                          heads_of<const In>(q),
                          heads_of<const In>(k),
                          heads_of<const In>(v),
                          heads_of<const In>(y),
                          heads_of<const In>(dy),
                          heads_of<In>(dq),
                          heads_of<In>(dk),
                          heads_of<In>(dv),
                          raw<A>(lse),
                          raw<A>(delta),
                          by_group(groups) ? attention_cpu::kMaxSpan : span_of(groups, sizes.row_blocks())};
      const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / (q.size(2) * q.size(3)));
      parallel_for(0, kernel.delta_items(), grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t item = begin; item < end; ++item) kernel.run_delta(item);
      });
      const auto run = [&](Part part) {
        for_items(kernel.items(part), kernel.scratch(part), lse.options(),
                  [&](std::int64_t item, void* scratch) { kernel.run(part, item, static_cast<A*>(scratch)); });
      };
      if (by_group(groups)) {
        run(Part::kAll);
      } else {
        run(Part::kKeys);
        run(Part::kRows);
      }
    });
    return {dq, dk, dv, {}, {}};
  }
};

}  // namespace

at::Tensor with_unit_rows(const at::Tensor& x) { return x.size(3) == 1 || x.stride(3) == 1 ? x : x.contiguous(); }

at::Tensor cpu_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                         double scale) {
  TORCH_CHECK(q.size(2) % k.size(2) == 0 && k.sizes() == v.sizes() && k.size(1) >= q.size(1), "attention: q ",
              q.sizes(), " does not go with k ", k.sizes(), " and v ", v.sizes());
  const at::ScalarType type = q.scalar_type();
  const at::Tensor queries = with_unit_rows(q), keys = with_unit_rows(k.to(type)), values = with_unit_rows(v.to(type));
  return needs_grad({q, k, v}) ? AttentionFunction::apply(queries, keys, values, seen, scale)
                               : forward(queries, keys, values, seen, scale).first;
}

}  // namespace ingot::ops
