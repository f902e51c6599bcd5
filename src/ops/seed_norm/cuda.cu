#include "ops/row_norm/kernels.cuh"
#include "ops/seed_norm/cuda.h"

namespace ingot::cuda {
namespace {

using row_norm::kMaxParameters;
using row_norm::Row;

/// Parameters: gain, beta, alpha. Statistics: r = 1 / sqrt(mean x² + eps) and t = tanh(<x, beta>), one for the row.
struct SeedNorm {
  /// y = (gain + t alpha) x r.
  template <class S, class T, class Out>
  __device__ static void forward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, float>& row) {
    auto x = slice.read(row.x);
    const float *gain = norm.parameters[0], *beta = norm.parameters[1], *alpha = norm.parameters[2];
    const float sum = S::sum([&](int p, int i) { return x[p][i] * x[p][i]; });
    const float t = tanhf(S::sum([&](int p, int i) { return x[p][i] * slice.at(beta, p, i, 0); }));
    const float r = 1.0f / sqrtf(sum / static_cast<float>(slice.width) + norm.eps);
    S::each([&](int p, int i) { x[p][i] *= r * (slice.at(gain, p, i, 1) + t * slice.at(alpha, p, i, 0)); });
    slice.write(row.y, x);
    if (slice.lane == 0) {
      row.statistics[0] = r;
      row.statistics[1] = t;
    }
  }

  /// With n = x r, g = (gain + t alpha) dy and db = (1 - t²) <dy n, alpha>:
  ///   dx = r (g - n mean(g n)) + db beta,  dgain = dy n,  dalpha = t dy n,  dbeta = db x.
  template <class S, class T, class Out>
  __device__ static void backward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, const float>& row,
                                  typename S::Values (&sums)[kMaxParameters]) {
    auto n = slice.read(row.x), g = slice.read(row.dy);
    const float *gain = norm.parameters[0], *beta = norm.parameters[1], *alpha = norm.parameters[2];
    const float r = row.statistics[0], t = row.statistics[1];
    const float of_alpha = S::sum([&](int p, int i) {
      n[p][i] *= r;
      const float scaled = g[p][i] * n[p][i];
      sums[0][p][i] += scaled;
      sums[2][p][i] += t * scaled;
      return scaled * slice.at(alpha, p, i, 0);
    });
    const float dot = S::sum([&](int p, int i) {
      g[p][i] *= slice.at(gain, p, i, 1) + t * slice.at(alpha, p, i, 0);
      return g[p][i] * n[p][i];
    });
    const float pull = dot / static_cast<float>(slice.width);
    const float db = (1.0f - t * t) * of_alpha;
    S::each([&](int p, int i) {
      sums[1][p][i] += db / r * n[p][i];
      g[p][i] = r * (g[p][i] - n[p][i] * pull) + db * slice.at(beta, p, i, 0);
    });
    slice.write(row.dx, g);
  }
};

}  // namespace
}  // namespace ingot::cuda

INGOT_CUDA_ROW_NORM_KERNELS(seed_norm, ingot::cuda::SeedNorm)
