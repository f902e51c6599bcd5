#include <cmath>

#include "ops/layer_norm/cpu.h"

namespace ingot::ops::layer_norm_cpu {

namespace {

using row_norm::ParameterGradients;
using row_norm::Pass;
using row_norm::Row;
using simd::lane_sum;
using simd::wide;

/// Parameters: gain, bias. Statistics: the mean m and r = 1 / sqrt(mean((x - m)²) + eps).
struct Rule {
  /// y = gain · (x - m) · r + bias.
  template <class T, class Out, class A>
  static INGOT_INLINE void forward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row, A* u) {
    const A share = A(1) / static_cast<A>(row.n);
    for (std::int64_t i = 0; i < row.n; ++i) u[i] = wide(row.x[i]);
    const A mean = share * lane_sum<A>(row.n, [&](std::int64_t i) { return u[i]; });
    const A sum = lane_sum<A>(row.n, [&](std::int64_t i) { return (u[i] - mean) * (u[i] - mean); });
    const A r = A(1) / std::sqrt(share * sum + A(pass.settings.eps));
    const A *gain = pass.parameters[0], *bias = pass.parameters[1];
    if (bias != nullptr) {
      row_norm::store_row(row.y, row.n, [&](std::int64_t i) { return (u[i] - mean) * r * gain[i] + bias[i]; });
    } else {
      row_norm::store_row(row.y, row.n, [&](std::int64_t i) { return (u[i] - mean) * r * gain[i]; });
    }
    row.statistics[0] = mean;
    row.statistics[1] = r;
  }

  /// With u = (x - m) · r and g = gain · dy:  dx = r · (g - mean g - u · mean(g · u)).
  template <class T, class Out, class A>
  static INGOT_INLINE void backward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row,
                                    const ParameterGradients<A>& gradients, A* scratch) {
    A *u = scratch, *g = scratch + row.n;
    const A mean = row.statistics[0], r = row.statistics[1], share = A(1) / static_cast<A>(row.n);
    const A* gain = pass.parameters[0];
    for (std::int64_t i = 0; i < row.n; ++i) u[i] = (wide(row.x[i]) - mean) * r;
    for (std::int64_t i = 0; i < row.n; ++i) g[i] = wide(row.dy[i]);
    row_norm::add_row(gradients[0], row.n, [&](std::int64_t i) { return g[i] * u[i]; });
    row_norm::add_row(gradients[1], row.n, [&](std::int64_t i) { return g[i]; });
    for (std::int64_t i = 0; i < row.n; ++i) g[i] *= gain[i];
    const A level = share * lane_sum<A>(row.n, [&](std::int64_t i) { return g[i]; });
    const A pull = share * lane_sum<A>(row.n, [&](std::int64_t i) { return g[i] * u[i]; });
    row_norm::store_row(row.dx, row.n, [&](std::int64_t i) { return r * (g[i] - level - u[i] * pull); });
  }
};

}  // namespace

const row_norm::Kernels& kernels() { return row_norm::kernels_of<Rule>(); }

}  // namespace ingot::ops::layer_norm_cpu
