#include "ops/dyt/cuda.h"
#include "ops/row_norm/kernels.cuh"

namespace ingot::cuda {
namespace {

using row_norm::kMaxParameters;
using row_norm::Row;

/// Parameters: alpha (one number), gain, bias. No statistics.
struct DynamicTanh {
  /// y = gain tanh(alpha x) + bias.
  template <class S, class T, class Out>
  __device__ static void forward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, float>& row) {
    auto x = slice.read(row.x);
    const float alpha = *norm.parameters[0];
    S::each([&](int p, int i) {
      x[p][i] = tanhf(alpha * x[p][i]) * slice.at(norm.parameters[1], p, i, 1) + slice.at(norm.parameters[2], p, i, 0);
    });
    slice.write(row.y, x);
  }

  /// With t = tanh(alpha x) and du = gain dy (1 - t²):  dx = alpha du,  dalpha = <du, x>.
  template <class S, class T, class Out>
  __device__ static void backward(const IngotCudaRowNorm& norm, const S& slice, const Row<T, Out, const float>& row,
                                  typename S::Values (&sums)[kMaxParameters]) {
    auto x = slice.read(row.x);
    const auto dy = slice.read(row.dy);
    const float alpha = *norm.parameters[0];
    S::each([&](int p, int i) {
      const float t = tanhf(alpha * x[p][i]);
      sums[1][p][i] += dy[p][i] * t;
      sums[2][p][i] += dy[p][i];
      const float du = slice.at(norm.parameters[1], p, i, 1) * dy[p][i] * (1.0f - t * t);
      sums[0][0][0] += du * x[p][i];
      x[p][i] = alpha * du;
    });
    slice.write(row.dx, x);
  }
};

}  // namespace
}  // namespace ingot::cuda

INGOT_CUDA_ROW_NORM_KERNELS(dyt, ingot::cuda::DynamicTanh)
