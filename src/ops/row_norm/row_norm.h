#pragma once
// What norms of rows share: layout, threads, types and the autograd node. An operation brings its kernels.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "ops/row_norm/kernels.h"

namespace ingot::ops {

struct RowNormInputs;

/// A norm of rows. It has no state: there is one object for each norm.
struct RowNorm {
  const char* name;
  const row_norm::Kernels& (*kernels)();  // CPU
  /// GPU, or null. y and statistics are written; dx and, with a gate, dgate too. The result is the parameters' gradients.
  void (*gpu_forward)(const RowNormInputs& in, const at::Tensor& y, const at::Tensor& statistics) = nullptr;
  std::array<at::Tensor, row_norm::kMaxParameters> (*gpu_backward)(const RowNormInputs& in,
                                                                   const at::Tensor& statistics, const at::Tensor& dy,
                                                                   const at::Tensor& dx,
                                                                   const at::Tensor& dgate) = nullptr;
};

/// A norm, its settings and the type of y.
struct RowNormCall {
  const RowNorm* norm;
  row_norm::Settings settings;
  std::int64_t num_statistics;  // numbers that forward keeps of each row
  at::ScalarType out_type;
};

struct RowNormInputs : RowNormCall {
  at::Tensor x, gate;  // gate may be undefined
  std::array<at::Tensor, row_norm::kMaxParameters> parameters;
  Rows x_rows, gate_rows;
};

/// The norm of x's last axis. x is one that the norm has kernels for, and `can_write` y. The gate has x's type, the parameters
/// any; both may be undefined. Differentiable once.
at::Tensor row_norm_of(const RowNormCall& call, const at::Tensor& x, const at::Tensor& gate,
                       std::array<at::Tensor, row_norm::kMaxParameters> parameters);

}  // namespace ingot::ops
