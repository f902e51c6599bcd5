#include "ops/rms_norm/cuda.h"
#include "ops/row_norm/kernels.cuh"

namespace ingot::cuda {
namespace {

using row_norm::kMaxParameters;
using row_norm::Row;

/// Parameter: gain, or none. With u = x, or x silu(gate), the statistic is r = 1 / sqrt(factor sum u² + eps).
struct RmsNorm {
  /// y = gain scale r u.
  template <class S, class T, class Out>
  __device__ static void forward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, float>& row) {
    auto u = slice.read(row.x);
    if (row.gate != nullptr) {
      const auto z = slice.read(row.gate);
      S::each([&](int p, int i) { u[p][i] *= z[p][i] * sigmoid(z[p][i]); });
    }
    const float r = 1.0f / sqrtf(norm.factor * S::sum([&](int p, int i) { return u[p][i] * u[p][i]; }) + norm.eps);
    const float* gain = norm.parameters[0];
    S::each([&](int p, int i) {
      u[p][i] *= r * norm.scale;
      if (gain != nullptr) u[p][i] = wide(narrow<T>(u[p][i])) * slice.at(gain, p, i, 1);
    });
    slice.write(row.y, u);
    if (slice.lane == 0) *row.statistics = r;
  }

  /// With g = gain dy:  du = scale r (g - u factor r² <g, u>).
  template <class S, class T, class Out>
  __device__ static void backward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, const float>& row,
                                  typename S::Values (&sums)[kMaxParameters]) {
    auto x = slice.read(row.x), g = slice.read(row.dy);
    typename S::Values z;
    if (row.gate != nullptr) z = slice.read(row.gate);
    const auto value = [&](int p, int i) {
      return row.gate == nullptr ? x[p][i] : x[p][i] * z[p][i] * sigmoid(z[p][i]);
    };
    const float* gain = norm.parameters[0];
    const float r = *row.statistics;
    const float scale = r * norm.scale;
    const float dot = S::sum([&](int p, int i) {
      const float u = value(p, i);
      if (gain != nullptr) {
        sums[0][p][i] += g[p][i] * u * scale;
        g[p][i] *= slice.at(gain, p, i, 1);
      }
      return g[p][i] * u;
    });
    const float pull = norm.factor * r * r * dot;
    S::each([&](int p, int i) {
      const float du = scale * (g[p][i] - value(p, i) * pull);
      if (row.gate == nullptr) {
        x[p][i] = du;
      } else {
        const float s = sigmoid(z[p][i]);
        g[p][i] = du * x[p][i] * s * (1.0f + z[p][i] * (1.0f - s));
        x[p][i] = du * z[p][i] * s;
      }
    });
    slice.write(row.dx, x);
    if (row.gate != nullptr) slice.write(row.dgate, g);
  }
};

}  // namespace
}  // namespace ingot::cuda

INGOT_CUDA_ROW_NORM_KERNELS(rms_norm, ingot::cuda::RmsNorm)
