#include <cmath>

#include "ops/rms_norm/cpu.h"

namespace ingot::ops::rms_norm_cpu {

namespace {

using row_norm::ParameterGradients;
using row_norm::Pass;
using row_norm::Row;
using simd::lane_sum;
using simd::sigmoid;
using simd::store;
using simd::wide;

INGOT_INLINE double rounded_as(double, double x) { return x; }
INGOT_INLINE float rounded_as(float, float x) { return x; }
INGOT_INLINE float rounded_as(std::uint16_t, float x) {
  std::uint16_t bits;
  simd::store(&bits, x);
  return wide(bits);
}

/// u = x, or x · silu(gate).
template <class T, class Out, class A>
INGOT_INLINE void gated(const Row<T, Out, A>& row, A* u) {
  for (std::int64_t i = 0; i < row.n; ++i) u[i] = wide(row.x[i]);
  if (row.gate == nullptr) return;
  for (std::int64_t i = 0; i < row.n; ++i) {
    const A z = wide(row.gate[i]);
    u[i] *= z * sigmoid(z);
  }
}

/// Parameters: gain, or none. Statistics: r = 1 / sqrt(factor · sum(u²) + eps).
struct Rule {
  /// y = scale · u · r, rounded as x is, · gain.
  template <class T, class Out, class A>
  static INGOT_INLINE void forward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row, A* u) {
    gated(row, u);
    const A sum = lane_sum<A>(row.n, [&](std::int64_t i) { return u[i] * u[i]; });
    const A r = A(1) / std::sqrt(A(pass.settings.factor) * sum + A(pass.settings.eps));
    const A factor = r * A(pass.settings.scale);
    if (const A* gain = pass.parameters[0]; gain != nullptr) {
      row_norm::store_row(row.y, row.n, [&](std::int64_t i) { return rounded_as(T(), u[i] * factor) * gain[i]; });
    } else {
      row_norm::store_row(row.y, row.n, [&](std::int64_t i) { return u[i] * factor; });
    }
    *row.statistics = r;
  }

  /// With g = gain · dy:  du = scale · r · (g - u · factor · r² · <g, u>).
  template <class T, class Out, class A>
  static INGOT_INLINE void backward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row,
                                    const ParameterGradients<A>& gradients, A* scratch) {
    A *u = scratch, *g = scratch + row.n;
    const A r = *row.statistics, scale = r * A(pass.settings.scale);
    gated(row, u);
    for (std::int64_t i = 0; i < row.n; ++i) g[i] = wide(row.dy[i]);
    row_norm::add_row(gradients[0], row.n, [&](std::int64_t i) { return g[i] * u[i] * scale; });
    if (const A* gain = pass.parameters[0]; gain != nullptr) {
      for (std::int64_t i = 0; i < row.n; ++i) g[i] *= gain[i];
    }
    const A dot = lane_sum<A>(row.n, [&](std::int64_t i) { return g[i] * u[i]; });
    const A pull = A(pass.settings.factor) * r * r * dot;
    if (row.gate == nullptr) {
      row_norm::store_row(row.dx, row.n, [&](std::int64_t i) { return scale * (g[i] - u[i] * pull); });
      return;
    }
    for (std::int64_t i = 0; i < row.n; ++i) {
      const A z = wide(row.gate[i]);
      const A s = sigmoid(z);
      const A du = scale * (g[i] - u[i] * pull);
      store(row.dx + i, du * z * s);
      store(row.dgate + i, du * wide(row.x[i]) * s * (A(1) + z * (A(1) - s)));
    }
  }
};

}  // namespace

const row_norm::Kernels& kernels() { return row_norm::kernels_of<Rule>(); }

}  // namespace ingot::ops::rms_norm_cpu
