#include "ops/dyt/cpu.h"

namespace ingot::ops::dyt_cpu {

namespace {

using row_norm::ParameterGradients;
using row_norm::Pass;
using row_norm::Row;
using simd::lane_sum;
using simd::wide;

/// Parameters: alpha (one number), gain, bias. No statistics.
struct Rule {
  /// y = gain · tanh(alpha · x) + bias.
  template <class T, class Out, class A>
  static INGOT_INLINE void forward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row, A* /*scratch*/) {
    const A alpha = *pass.parameters[0];
    const A *gain = pass.parameters[1], *bias = pass.parameters[2];
    const auto scaled = [&](std::int64_t i) __attribute__((always_inline)) {
      return simd::tanh(alpha * wide(row.x[i])) * gain[i];
    };
    if (bias != nullptr) {
      row_norm::store_row(row.y, row.n, [&](std::int64_t i) { return scaled(i) + bias[i]; });
    } else {
      row_norm::store_row(row.y, row.n, scaled);
    }
  }

  /// With t = tanh(alpha · x) and du = gain · dy · (1 - t²):  dx = alpha · du,  dalpha = <du, x>.
  template <class T, class Out, class A>
  static INGOT_INLINE void backward(const Pass<T, Out, A>& pass, const Row<T, Out, A>& row,
                                    const ParameterGradients<A>& gradients, A* scratch) {
    A *t = scratch, *du = scratch + row.n;
    const A alpha = *pass.parameters[0];
    const A* gain = pass.parameters[1];
    for (std::int64_t i = 0; i < row.n; ++i) t[i] = simd::tanh(alpha * wide(row.x[i]));
    row_norm::add_row(gradients[1], row.n, [&](std::int64_t i) { return wide(row.dy[i]) * t[i]; });
    row_norm::add_row(gradients[2], row.n, [&](std::int64_t i) { return wide(row.dy[i]); });
    for (std::int64_t i = 0; i < row.n; ++i) du[i] = gain[i] * wide(row.dy[i]) * (A(1) - t[i] * t[i]);
    *gradients[0] += lane_sum<A>(row.n, [&](std::int64_t i) { return du[i] * wide(row.x[i]); });
    row_norm::store_row(row.dx, row.n, [&](std::int64_t i) { return alpha * du[i]; });
  }
};

}  // namespace

const row_norm::Kernels& kernels() { return row_norm::kernels_of<Rule>(); }

}  // namespace ingot::ops::dyt_cpu
