// One AdamW update and one gradient norm over flat buffers, against LibTorch's fused update. Argument: parameters.

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>

#include <memory>

#include "optim/grad_norm.h"
#include "optim/optimizer.h"
#include "support/weights.h"

namespace ingot {

void register_adamw(Family<OptimizerEntry>& family);

namespace {

struct Flat {
  ParamInfo info;
  Master master;
  Slot slot;
  Family<OptimizerEntry> family;
  std::unique_ptr<Optimizer> optimizer;

  explicit Flat(std::int64_t n) {
    master.param = &info;
    master.numel = n;
    master.shape = {n};
    master.value = at::randn({n});
    master.grad = at::randn({n});
    slot.master = &master;
    slot.lr = 1e-3;
    slot.weight_decay = 0.1;
    slot.states = {at::zeros({n}), at::zeros({n})};
    register_adamw(family);
    optimizer = family.at("adamw").make(*family.at("adamw").defaults);
  }
};

void bytes(benchmark::State& state, std::int64_t per_parameter) {
  state.SetBytesProcessed(state.iterations() * state.range(0) * per_parameter);
}

void adamw(benchmark::State& state) {
  Flat flat(state.range(0));
  std::vector<Slot> slots = {flat.slot};
  std::int64_t update = 0;
  for (auto _ : state) flat.optimizer->step(slots, {++update, 0.5, 0, {}});
  bytes(state, 28);
}

void fused_adamw(benchmark::State& state) {
  Flat flat(state.range(0));
  std::vector<at::Tensor> w = {flat.master.value}, g = {flat.master.grad}, m = {flat.slot.states[0]},
                          v = {flat.slot.states[1]}, steps = {at::full({}, 1.0f)};
  for (auto _ : state) at::_fused_adamw_(w, g, m, v, {}, steps, 1e-3, 0.9, 0.95, 0.1, 1e-8, false, false);
  bytes(state, 28);
}

void grad_norm(benchmark::State& state) {
  ParameterStore store;
  ParamSpec spec;
  spec.name = "weight";
  spec.shape = {state.range(0)};
  spec.roles = Role::kInner;
  ParamScope(store).declare(spec);
  make_weights(store, store_options(at::kFloat));
  store.flat_grads().normal_();
  const GradNorm norm(store);
  for (auto _ : state) benchmark::DoNotOptimize(norm.sum_of_squares());
  bytes(state, 4);
}

void vector_norm(benchmark::State& state) {
  const Flat flat(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(at::linalg_vector_norm(flat.master.grad, 2).item<float>());
  bytes(state, 4);
}

/// What casting the masters to the compute type takes when it is a pass of its own.
void refresh(benchmark::State& state) {
  const Flat flat(state.range(0));
  const at::Tensor weights = at::full({state.range(0)}, 1, at::kBFloat16);  // written to, so that its pages are there
  for (auto _ : state) weights.copy_(flat.master.value);
  bytes(state, 6);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("parameters")->Unit(benchmark::kMillisecond)->UseRealTime()->Arg(800'000)->Arg(124'000'000);
}
BENCHMARK(adamw)->Apply(sizes);
BENCHMARK(fused_adamw)->Apply(sizes);
BENCHMARK(refresh)->Apply(sizes);
BENCHMARK(grad_norm)->Apply(sizes);
BENCHMARK(vector_norm)->Apply(sizes);

}  // namespace
}  // namespace ingot
