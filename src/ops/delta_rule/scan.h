#pragma once
// The part of the delta rule that runs chunk after chunk, alike forward and backward.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// With S of shape [dk, dv] in fp32 (fp64 for fp64), for each batch row and head, over n = 0 … N-1 (`reverse`: N-1 …
/// 0):
///
///   entered[n] = S;   corrected[n] = value[n] + read[n] S
///   S <- keep[n] S + (1 - keep[n]) fresh + added[n] + write[n]ᵀ corrected[n]
///
/// All tensors are contiguous and on one device. "Product type": what ops/chunk/products.h says, the same in all of
/// them.
struct DeltaScanInputs {
  at::Tensor read;   // [N, B, H, C, dk] product type
  at::Tensor write;  // [N, B, H, C, dk] product type
  at::Tensor value;  // [N, B, H, C, dv] product type; the scan may overwrite it with `corrected`
  at::Tensor start;  // [B, H, dk, dv] fp32 (fp64 for fp64): S at first; not overwritten
  at::Tensor keep;   // [N, B] fp32 (fp64 for fp64), 0 or 1; undefined: 1
  at::Tensor fresh;  // [B, H, dk, dv] fp32 (fp64 for fp64); undefined: 0
  at::Tensor added;  // [N, B, H, dk, dv] product type; undefined: 0
  bool reverse = false;
};

struct DeltaScan {
  at::Tensor entered;    // [N, B, H, dk, dv] product type
  at::Tensor corrected;  // [N, B, H, C, dv] product type; may be the memory of `value`
  at::Tensor end;        // [B, H, dk, dv] fp32 (fp64 for fp64): S at last
};

/// Records no history for autograd.
DeltaScan delta_scan(const DeltaScanInputs& inputs);

}  // namespace ingot::ops
