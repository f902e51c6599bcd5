#include "train/precision.h"

#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "device/matmul.h"

namespace ingot {
namespace {

constexpr std::int64_t kMaxRows = 1024;
constexpr int kRepeats = 6;             // the first ones also set kernels up
constexpr double kMaxProbeFlops = 4e9;  // of one product

/// Best of several of y = x W^T, dx = dy W and dW = dy^T x.
double time_products(std::int64_t rows, std::int64_t in, std::int64_t out, at::ScalarType dtype) {
  const auto x = at::randn({rows, in}).to(dtype);
  const auto w = at::randn({out, in}).to(dtype);
  const auto dy = at::randn({rows, out}).to(dtype);
  double best = 1e30;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ingot::matmul(x, w.t());
    ingot::matmul(dy, w);
    ingot::matmul(dy.t(), x);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

PrecisionProbe probe_precision(const ParameterStore& store, std::int64_t tokens) {
  c10::NoGradGuard no_grad;
  std::map<std::pair<std::int64_t, std::int64_t>, int> shapes;
  for (const auto* info : store.parameters()) {
    const bool multiplies = info->shape.size() == 2 && !info->keeps_master_dtype() &&
                            (!info->roles.has(Role::kEmbedding) || info->roles.has(Role::kHead));
    if (multiplies) ++shapes[{info->shape[0], info->shape[1]}];
  }
  PrecisionProbe probe;
  for (const auto& [shape, count] : shapes) {
    const auto [out, in] = shape;
    const double affordable = kMaxProbeFlops / (2.0 * static_cast<double>(in) * static_cast<double>(out));
    const auto rows = std::clamp<std::int64_t>(std::min(tokens, static_cast<std::int64_t>(affordable)), 16, kMaxRows);
    const double scale = count * static_cast<double>(tokens) / static_cast<double>(rows);
    probe.float32_seconds += scale * time_products(rows, in, out, at::kFloat);
    probe.bfloat16_seconds += scale * time_products(rows, in, out, at::kBFloat16);
  }
  return probe;
}

}  // namespace ingot
