// Forward and backward of the norms of rows on one thread: 2048 rows of 768.

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "device/machine.h"
#include "ops/dyt/dyt.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/seed_norm/seed_norm.h"

namespace ingot {
namespace {

constexpr std::int64_t kRows = 2048, kWidth = 768;

at::Tensor leaf(const at::Tensor& x) { return x.clone().requires_grad_(true); }

template <class Norm>
void time(benchmark::State& state, at::ScalarType type, Norm norm) {
  keep_freed_memory();
  at::set_num_threads(1);
  const at::Tensor x = leaf(at::randn({kRows, kWidth}).to(type)), dy = at::randn(x.sizes()).to(type);
  for (auto _ : state) {
    torch::autograd::backward({norm(x)}, {dy});
    x.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * kRows * kWidth);
}

template <class Norm>
void both_types(const char* name, Norm norm) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const std::string full = std::string(name) + (type == at::kFloat ? "/fp32" : "/bf16");
    benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& s) {
      time(s, type, norm);
    })->Unit(benchmark::kMillisecond);
  }
}

const bool kRegistered = [] {
  const auto vector = [] { return at::ones({kWidth}).requires_grad_(true); };
  const at::Tensor a = vector(), b = vector(), c = vector(), alpha = at::ones({1}).requires_grad_(true);
  both_types("rms_norm", [=](const at::Tensor& x) { return ops::rms_norm(x, a, 1e-6); });
  both_types("layer_norm", [=](const at::Tensor& x) { return ops::layer_norm(x, a, b, 1e-5); });
  both_types("dyt", [=](const at::Tensor& x) { return ops::dyt(x, alpha, a, {}); });
  both_types("seed_norm", [=](const at::Tensor& x) { return ops::seed_norm(x, a, b, c, 1, 1e-5); });
  return true;
}();

}  // namespace
}  // namespace ingot
