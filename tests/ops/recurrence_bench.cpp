// Recurrences forward and backward. Arguments: rows, tokens, heads, chunk, bf16.

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <benchmark/benchmark.h>

#include "device/machine.h"
#include "ops/delta_rule/delta_rule.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/ssd/ssd.h"

namespace ingot {
namespace {

struct Problem {
  at::Tensor q, k, v, rate, dy;

  Problem(const benchmark::State& state, std::int64_t key_heads, std::int64_t dk) {
    keep_freed_memory();
    const std::int64_t batch = state.range(0), length = state.range(1), heads = state.range(2);
    const auto type = state.range(4) != 0 ? at::kBFloat16 : at::kFloat;
    const auto unit = [&] {
      return ops::l2_norm(at::randn({batch, length, key_heads, dk}), 1e-6, 1).to(type).requires_grad_();
    };
    q = unit();
    k = unit();
    v = at::randn({batch, length, heads, 64}).to(type).requires_grad_();
    rate = at::randn({batch, length, heads});
    dy = at::randn({batch, length, heads, 64}).to(type);
  }

  void run(const ops::Recurrence& out) {
    out.y.backward(dy);
    for (at::Tensor* t : {&q, &k, &v, &rate}) t->mutable_grad().reset();
  }
};

void delta_rule(benchmark::State& state) {
  Problem p(state, state.range(2), 64);
  p.rate = at::sigmoid(p.rate).to(p.v.scalar_type()).requires_grad_();
  for (auto _ : state) p.run(ops::chunk_delta_rule(p.q, p.k, p.v, p.rate, {}, {}, state.range(3)));
}

void ssd(benchmark::State& state) {
  Problem p(state, 1, 128);
  p.rate = (at::softplus(p.rate) * -0.1).requires_grad_();
  for (auto _ : state) p.run(ops::chunk_ssd(p.q, p.k, p.v, p.rate, {}, {}, state.range(3)));
}

void sizes(benchmark::internal::Benchmark* b, std::int64_t heads) {
  b->ArgNames({"rows", "tokens", "heads", "chunk", "bf16"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int bf16 : {0, 1}) {
    for (const int chunk : {32, 64}) {
      b->Args({8, 256, heads, chunk, bf16});
      b->Args({2, 1024, heads, chunk, bf16});
    }
  }
}
BENCHMARK(delta_rule)->Apply([](auto* b) { sizes(b, 8); });
BENCHMARK(ssd)->Apply([](auto* b) { sizes(b, 16); });

}  // namespace
}  // namespace ingot
