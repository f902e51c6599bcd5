// Output layer with cross-entropy against at::linear + at::cross_entropy_loss. Arguments: rows, width, vocabulary,
// bf16.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>

#include "device/machine.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"

namespace ingot {
namespace {

struct Problem {
  at::Tensor hidden, targets;
  ops::LinearHead head;

  explicit Problem(const benchmark::State& state) {
    keep_freed_memory();
    const auto rows = state.range(0), width = state.range(1), vocab = state.range(2);
    const auto dtype = state.range(3) != 0 ? at::kBFloat16 : at::kFloat;
    hidden = at::randn({rows, width}).to(dtype).requires_grad_();
    head.weight = (at::randn({vocab, width}) * 0.02).to(dtype).requires_grad_();
    head.weight_grad = at::zeros({vocab, width});
    head.vocab_size = vocab;
    targets = at::randint(vocab, {rows}, at::kLong);
  }
};

void count(benchmark::State& state) {
  const double products = state.range(4) != 0 ? 6.0 : 2.0;
  state.counters["FLOP/s"] =
      benchmark::Counter(products * static_cast<double>(state.range(0) * state.range(1) * state.range(2)),
                         benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void chunked(benchmark::State& state) {
  Problem p(state);
  const at::AutoGradMode mode(state.range(4) != 0);
  for (auto _ : state) {
    const auto total = ops::linear_cross_entropy(p.hidden, p.head, p.targets, 0).total;
    if (total.requires_grad()) total.backward();
    p.hidden.mutable_grad().reset();
  }
  count(state);
}

void plain(benchmark::State& state) {
  Problem p(state);
  const at::AutoGradMode mode(state.range(4) != 0);
  for (auto _ : state) {
    const auto logits = at::linear(p.hidden, p.head.weight).to(at::kFloat);
    const auto total = at::cross_entropy_loss(logits, p.targets, {}, 2);
    if (total.requires_grad()) total.backward();
    if (p.head.weight.grad().defined()) p.head.weight_grad.add_(p.head.weight.grad());
    p.head.weight.mutable_grad().reset();
    p.hidden.mutable_grad().reset();
  }
  count(state);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "width", "vocab", "bf16", "train"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int bf16 : {0, 1}) {
    for (const int train : {0, 1}) {
      b->Args({768, 128, 65, bf16, train});
      b->Args({2048, 256, 4096, bf16, train});
      b->Args({2048, 512, 8192, bf16, train});
      b->Args({2048, 768, 32000, bf16, train});
    }
  }
}
BENCHMARK(chunked)->Apply(sizes);
BENCHMARK(plain)->Apply(sizes);

}  // namespace
}  // namespace ingot
