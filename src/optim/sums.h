#pragma once
// Sums over tensors and groups that optimizers need before they update: in fp64, on the CPU the same bits whatever the
// threads, the instruction set, and the ranks that share the parameters out.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "optim/optimizer.h"

namespace ingot {

/// Elements of a row of a matrix; a vector is one row.
std::int64_t row_length(const Master& master);

/// a·x + b·y, or a·x where y is undefined: flat tensors or ones that are contiguous.
struct Combination {
  double a = 1;
  at::Tensor x;
  double b = 0;
  at::Tensor y = {};
};

/// Σ(a·x + b·y)² of each block of `length` consecutive elements: fp64 [blocks] on the tensors' device.
at::Tensor block_squares(const Combination& values, std::int64_t length);
/// The same of the whole.
double sum_of_squares(const Combination& values);
/// Σx², Σxy and Σy² of each block: fp64 [blocks, 3].
at::Tensor block_pair_sums(const at::Tensor& x, const at::Tensor& y, std::int64_t length);
/// Σ(a·x)² of each column of a matrix x [rows, columns]: fp64 [columns].
at::Tensor column_squares(double a, const at::Tensor& x);
/// Σ x·(y - z).
double sum_along(const at::Tensor& x, const at::Tensor& y, const at::Tensor& z);
/// Σ|x|.
double absolute_sum(const at::Tensor& x);

/// Adds up N values of each parameter of a group over all ranks, in the order of the parameters. `values`: of this
/// process's slots, each of which holds a whole parameter. Every rank calls it in every update, with slots or without.
template <std::size_t N>
std::array<double, N> sum_over_group(const std::vector<Slot>& slots, const std::vector<std::array<double, N>>& values,
                                     const UpdateContext& context);

namespace sums_detail {
std::vector<double> over_group(const std::vector<Slot>& slots, const double* values, std::size_t n,
                               const UpdateContext& context);
}

template <std::size_t N>
std::array<double, N> sum_over_group(const std::vector<Slot>& slots, const std::vector<std::array<double, N>>& values,
                                     const UpdateContext& context) {
  const auto sums = sums_detail::over_group(slots, values.empty() ? nullptr : values.front().data(), N, context);
  std::array<double, N> out;
  for (std::size_t k = 0; k < N; ++k) out[k] = sums[k];
  return out;
}

}  // namespace ingot
