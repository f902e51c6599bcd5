#pragma once
// The polar factor of a matrix, U Vᵀ of X = U S Vᵀ: all directions of X, each with weight 1; by iterations of products
// or exactly.
//
// With X [m, n], m <= n (else its transpose), X <- X / (‖X‖ + ε), then in each step
//
//   A = X Xᵀ,   X <- a X + (b A + c A²) X
//
// which moves every singular value s to a s + b s³ + c s⁵ and leaves U and V as they are.
//
//   newton_schulz   (a, b, c) = (3.4445, -4.7750, 2.0315) in every step: s > 0.003 ends in [0.68, 1.2], not at 1.
//                   Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
//   polar_express   other coefficients in each of 5 steps, the best for the interval that is left; X is divided by
//                   1.02 ‖X‖ + ε (`margin`): s > 0.003 ends in [0.86, 1.15]. Amsel et al. 2025, arXiv:2505.16932
//   exact           by a singular value decomposition; what has no direction (s = 0) stays 0
//
// The Gram form does the same on matrices [m, m] alone: with R = X Xᵀ and Q = 1 at first, each step is Z = b R + c R²,
// Q <- Q (Z + a), R <- (Z + a) R (Z + a), and the result is Q X. It saves most of the products where n is a few times
// m. R squares the singular values, so that fp32 keeps those above 3e-4 of the largest; bf16 would keep those above
// 0.06 alone, and takes the first form.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "config/fields.h"
#include "registry/add_entry.h"

namespace ingot {

enum class PolarMethod { kNewtonSchulz, kPolarExpress, kExact };
enum class ProductPrecision { kAuto, kFloat32, kBfloat16 };

struct PolarConfig {
  PolarMethod method = PolarMethod::kNewtonSchulz;
  std::int64_t steps = 5;
  double eps = 1e-7;
  double margin = 1.02;
  ProductPrecision precision = ProductPrecision::kAuto;
  bool gram = true;
  bool equal_rows = false;
  bool exact_norm = false;
};
/// The settings' keys, among those of an optimizer.
void describe_polar(Fields& f, PolarConfig& c);
SettingsProblems check_polar(const PolarConfig& c);

/// Of x [m, n], in its dtype; products of fp64 are in fp64 whatever the precision.
at::Tensor polar_factor(const at::Tensor& x, const PolarConfig& config);

}  // namespace ingot
