// Attention forward and backward against LibTorch's with a dense mask (none where it is plainly causal), interleaved.
// The counters give medians in ms and their ratio, of elapsed time and of the time that the process had a CPU: on a
// machine that others use too, the latter with OMP_NUM_THREADS=1 is the one to trust.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "device/machine.h"
#include "ops/attention/attention.h"

namespace ingot {
namespace {

struct Problem {
  at::Tensor q, k, v, dy, mask;
  ops::VisibleKeys seen;
  double scale = 0;

  explicit Problem(const benchmark::State& state) {
    keep_freed_memory();
    const std::int64_t batch = state.range(0), length = state.range(1), heads = state.range(2), groups = state.range(3),
                       width = state.range(4), window = state.range(5), prefix = state.range(6),
                       documents = state.range(7);
    const auto type = state.range(8) != 0 ? at::kBFloat16 : at::kFloat;
    // Views of one projection, as a mixer has them; a prefix makes keys and values tensors of their own.
    const at::Tensor joined = at::randn({batch, length, heads + 2 * groups, width}).to(type);
    const auto keys = [&](std::int64_t first) {
      const at::Tensor own = joined.narrow(2, first, groups);
      return prefix > 0 ? at::randn({batch, prefix + length, groups, width}).to(type) : own;
    };
    q = joined.narrow(2, 0, heads).detach().requires_grad_();
    k = keys(heads).detach().requires_grad_();
    v = keys(heads + groups).detach().requires_grad_();
    dy = at::randn({batch, length, heads, width}).to(type);
    scale = 1 / std::sqrt(static_cast<double>(width));
    seen = {window, prefix, true, {}, {}};
    if (documents > 1) {
      const std::int64_t each = (length + documents - 1) / documents;
      const at::Tensor index = at::arange(length, at::kLong);
      seen.start = (index - index % each + prefix).unsqueeze(0);
    }
    const bool plain = window == 0 && prefix == 0 && documents <= 1;
    if (!plain) mask = ops::attention_mask(q, k.size(1), seen);
  }

  at::Tensor ours() const { return ops::attention(q, k, v, seen, scale); }
  at::Tensor library() const {
    const auto heads_first = [](const at::Tensor& x) { return x.to(at::kFloat).transpose(1, 2); };
    std::optional<at::Tensor> additive;
    if (mask.defined()) additive = mask;
    return at::scaled_dot_product_attention(heads_first(q), heads_first(k), heads_first(v), additive, 0.0,
                                            !mask.defined(), scale, q.size(2) != k.size(2))
        .transpose(1, 2)
        .to(q.scalar_type());
  }
};

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

/// Milliseconds of runs, elapsed and on a CPU.
struct Times {
  std::vector<double> elapsed, cpu;

  template <class F>
  void add(Problem& p, F f, bool backward) {
    const at::AutoGradMode grad(backward);
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t ticks = std::clock();
    const at::Tensor y = f();
    if (backward) y.backward(p.dy);
    cpu.push_back(1e3 * static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC);
    elapsed.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    for (at::Tensor* t : {&p.q, &p.k, &p.v}) t->mutable_grad().reset();
  }
};

void attention(benchmark::State& state) {
  Problem p(state);
  Times ours, library;
  const bool backward = state.range(9) != 0;
  for (auto _ : state) {
    library.add(
        p, [&] { return p.library(); }, backward);
    ours.add(
        p, [&] { return p.ours(); }, backward);
    state.SetIterationTime(ours.elapsed.back() * 1e-3);
  }
  state.counters["ours"] = median(ours.elapsed);
  state.counters["library"] = median(library.elapsed);
  state.counters["times"] = median(library.elapsed) / median(ours.elapsed);
  state.counters["ours_cpu"] = median(ours.cpu);
  state.counters["library_cpu"] = median(library.cpu);
  state.counters["times_cpu"] = median(library.cpu) / median(ours.cpu);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"B", "T", "H", "G", "K", "window", "prefix", "documents", "bf16", "backward"});
  b->Unit(benchmark::kMillisecond)->UseManualTime();
  for (const std::int64_t backward : {1, 0}) {
    b->Args({4, 256, 12, 12, 64, 0, 0, 1, 0, backward});
    b->Args({16, 256, 6, 6, 64, 0, 0, 1, 0, backward});
    b->Args({16, 256, 4, 2, 64, 0, 16, 4, 0, backward});
    b->Args({12, 64, 4, 4, 32, 0, 0, 1, 0, backward});
    for (const auto& [window, prefix, documents] : std::vector<std::array<std::int64_t, 3>>{
             {0, 0, 1}, {512, 0, 1}, {0, 128, 1}, {512, 128, 1}, {0, 0, 4}, {0, 128, 4}}) {
      b->Args({2, 1024, 8, 8, 64, window, prefix, documents, 0, backward});
      b->Args({1, 4096, 8, 2, 128, window, prefix, documents, 0, backward});
    }
    b->Args({4, 256, 12, 12, 64, 0, 0, 1, 1, backward});
    b->Args({12, 64, 4, 4, 32, 0, 0, 1, 1, backward});
  }
  for (const std::int64_t bf16 : {0, 1}) {
    b->Args({1, 1, 8, 8, 64, 0, 511, 1, bf16, 0});
    b->Args({1, 1, 8, 4, 64, 0, 511, 1, bf16, 0});
    b->Args({4, 1, 8, 2, 64, 0, 2047, 1, bf16, 0});
  }
}
BENCHMARK(attention)->Apply(sizes);

}  // namespace
}  // namespace ingot
