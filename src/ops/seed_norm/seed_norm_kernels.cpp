#include <cmath>

#include "ops/seed_norm/cpu.h"

namespace ingot::ops::seed_norm_cpu {

namespace {

using row_norm::ParameterGradients;
using row_norm::Pass;
using row_norm::Row;
using simd::lane_sum;
using simd::wide;

/// Parameters: gain, beta, alpha. Statistics: r = 1 / sqrt(mean x² + eps), then t = tanh(<x, beta>) of each group.
struct Rule {
  /// y = (gain + t · alpha) · x · r.
  template <class T, class Out, class A>
  static INGOT_INLINE void forward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row, A* u) {
    const A *gain = pass.parameters[0], *beta = pass.parameters[1], *alpha = pass.parameters[2];
    for (std::int64_t i = 0; i < row.n; ++i) u[i] = wide(row.x[i]);
    const A sum = lane_sum<A>(row.n, [&](std::int64_t i) { return u[i] * u[i]; });
    const A r = A(1) / std::sqrt(sum / static_cast<A>(row.n) + A(pass.settings.eps));
    row.statistics[0] = r;
    const std::int64_t width = row.n / pass.settings.groups;
    for (std::int64_t group = 0; group < pass.settings.groups; ++group) {
      const std::int64_t o = group * width;
      const A t = std::tanh(lane_sum<A>(width, [&](std::int64_t i) { return u[o + i] * beta[o + i]; }));
      row.statistics[1 + group] = t;
      row_norm::store_row(row.y + o, width,
                          [&](std::int64_t i) { return (gain[o + i] + t * alpha[o + i]) * (u[o + i] * r); });
    }
  }

  /// With n = x · r, g = (gain + t · alpha) · dy and db = (1 - t²) · <dy · n, alpha> within each group:
  ///   dx = r · (g - n · mean(g · n)) + db · beta,  dgain = dy · n,  dalpha = t · dy · n,  dbeta = db · x.
  template <class T, class Out, class A>
  static INGOT_INLINE void backward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row,
                                    const ParameterGradients<A>& gradients, A* scratch) {
    A *n = scratch, *scaled = scratch + row.n, *g = scratch + 2 * row.n;
    const A *gain = pass.parameters[0], *beta = pass.parameters[1], *alpha = pass.parameters[2];
    const A r = row.statistics[0];
    for (std::int64_t i = 0; i < row.n; ++i) {
      n[i] = wide(row.x[i]) * r;
      scaled[i] = wide(row.dy[i]) * n[i];
    }
    const std::int64_t width = row.n / pass.settings.groups;
    A dot = 0;  // <g, n>
    for (std::int64_t o = 0; o < row.n; o += width) {
      const A t = row.statistics[1 + o / width];
      for (std::int64_t i = o; i < o + width; ++i) g[i] = (gain[i] + t * alpha[i]) * wide(row.dy[i]);
    }
    dot = lane_sum<A>(row.n, [&](std::int64_t i) { return g[i] * n[i]; });
    const A pull = dot / static_cast<A>(row.n);
    for (std::int64_t o = 0; o < row.n; o += width) {
      const A t = row.statistics[1 + o / width];
      const A db = (1 - t * t) * lane_sum<A>(width, [&](std::int64_t i) { return scaled[o + i] * alpha[o + i]; });
      const A of_n = db / r;  // db · x = of_n · n
      for (std::int64_t i = o; i < o + width; ++i) {
        gradients[0][i] += scaled[i];
        gradients[1][i] += of_n * n[i];
        gradients[2][i] += t * scaled[i];
      }
      row_norm::store_row(row.dx + o, width,
                          [&](std::int64_t i) { return r * (g[o + i] - n[o + i] * pull) + db * beta[o + i]; });
    }
  }
};

}  // namespace

const row_norm::Kernels& kernels() { return row_norm::kernels_of<Rule>(); }

}  // namespace ingot::ops::seed_norm_cpu
