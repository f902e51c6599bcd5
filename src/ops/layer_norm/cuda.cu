#include "ops/layer_norm/cuda.h"
#include "ops/row_norm/kernels.cuh"

namespace ingot::cuda {
namespace {

using row_norm::kMaxParameters;
using row_norm::Row;

/// Parameters: gain, bias. Statistics: the mean m and r = 1 / sqrt(mean((x - m)²) + eps).
struct LayerNorm {
  /// y = gain (x - m) r + bias.
  template <class S, class T, class Out>
  __device__ static void forward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, float>& row) {
    auto u = slice.read(row.x);
    const float share = 1.0f / static_cast<float>(slice.width);
    const float mean = share * S::sum([&](int p, int i) { return u[p][i]; });
    const float sum = S::sum([&](int p, int i) {
      u[p][i] = slice.holds(p) ? u[p][i] - mean : 0;
      return u[p][i] * u[p][i];
    });
    const float r = 1.0f / sqrtf(share * sum + norm.eps);
    S::each([&](int p, int i) {
      u[p][i] = u[p][i] * r * slice.at(norm.parameters[0], p, i, 1) + slice.at(norm.parameters[1], p, i, 0);
    });
    slice.write(row.y, u);
    if (slice.lane == 0) {
      row.statistics[0] = mean;
      row.statistics[1] = r;
    }
  }

  /// With u = (x - m) r and g = gain dy:  dx = r (g - mean g - u mean(g u)).
  template <class S, class T, class Out>
  __device__ static void backward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, const float>& row,
                                  typename S::Values (&sums)[kMaxParameters]) {
    auto u = slice.read(row.x), g = slice.read(row.dy);
    const float mean = row.statistics[0], r = row.statistics[1], share = 1.0f / static_cast<float>(slice.width);
    S::each([&](int p, int i) {
      u[p][i] = (u[p][i] - mean) * r;  // beyond the row g is 0, so that it does not count
      sums[0][p][i] += g[p][i] * u[p][i];
      sums[1][p][i] += g[p][i];
      g[p][i] *= slice.at(norm.parameters[0], p, i, 1);
    });
    const float level = share * S::sum([&](int p, int i) { return g[p][i]; });
    const float pull = share * S::sum([&](int p, int i) { return g[p][i] * u[p][i]; });
    S::each([&](int p, int i) { g[p][i] = r * (g[p][i] - level - u[p][i] * pull); });
    slice.write(row.dx, g);
  }
};

}  // namespace
}  // namespace ingot::cuda

INGOT_CUDA_ROW_NORM_KERNELS(layer_norm, ingot::cuda::LayerNorm)
