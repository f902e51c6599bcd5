#pragma once
// The part of the decaying recurrence that runs chunk after chunk, alike forward and backward.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// With S of shape [dk, R dv] in fp32 (fp64 for fp64), for each batch row and group of R = H / G heads, whose states
/// lie side by side, over n = 0 … N-1 (`reverse`: N-1 … 0):
///
///   entered[n] = S;   S <- keep[n] S + restart[n] fresh + added[n]
///
/// The factors of column c are those of head g R + c / dv. All tensors are contiguous and on one device. "Product
/// type": what ops/chunk/products.h says.
struct SsdScanInputs {
  at::Tensor added;    // [B, N, G, dk, R dv] product type; the scan may overwrite it with `entered`
  at::Tensor start;    // [B, G, dk, R dv] fp32 (fp64 for fp64): S at first; not overwritten
  at::Tensor keep;     // [B, N, H] fp32 (fp64 for fp64)
  at::Tensor restart;  // [B, N, H] fp32 (fp64 for fp64); undefined with `fresh`: 0
  at::Tensor fresh;    // [B, G, dk, R dv] fp32 (fp64 for fp64)
  bool reverse = false;
};

struct SsdScan {
  at::Tensor entered;  // [B, N, G, dk, R dv] product type; may be the memory of `added`
  at::Tensor end;      // [B, G, dk, R dv] fp32 (fp64 for fp64): S at last
};

/// Records no history for autograd.
SsdScan ssd_scan(const SsdScanInputs& inputs);

/// Sums over n of weight[n] states[n]: states [B, N, G, dk, R dv] contiguous in the product type, weight [B, N, H] in
/// fp32 (fp64 for fp64) as the factors above; [B, G, dk, R dv] of weight's type. Records no history.
at::Tensor weighted_states(const at::Tensor& states, const at::Tensor& weight);

}  // namespace ingot::ops
