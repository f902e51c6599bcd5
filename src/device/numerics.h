#pragma once
// Values and comparisons for checking operations. Tolerances come from the arithmetic, never from what happens to pass.

#include <ATen/core/Tensor.h>

#include <string>

namespace ingot {

/// How far a value computed in `dtype` may lie from the exact one:
///   |actual - expected| <= relative * max(|expected|, scale)
/// where scale is the root mean square of `expected`, since cancellation leaves small elements with the errors of large
/// ones. `relative` is counted in unit roundoffs u (2^-53, 2^-24, 2^-8 for fp64, fp32, bf16).
struct Tolerance {
  at::ScalarType dtype = at::kFloat;
  double relative = 0;

  /// A handful of elementwise operations: 8 u.
  static Tolerance of(at::ScalarType dtype);
  /// A sum of k products of mixed signs: its error grows as sqrt(k) u of the accumulating type (fp32 for bf16).
  Tolerance reduction(std::int64_t k) const;
  /// n such operations one after another; errors add.
  Tolerance chain(std::int64_t n) const;
};

struct Comparison {
  bool agrees = false;
  std::string message;  // the worst element, or what is wrong with the tensors
};

/// Whether shapes are equal, `actual` has the tolerance's dtype, `expected` is at least as wide, every element is
/// finite on both sides and close. `expected` may be infinite where `actual` is the same infinity. `terms`, of the same
/// shape: the sum of the absolute terms of each element, where a formula adds terms that cancel within one element (1 +
/// erf x); the bound is then relative to it where it is larger than the element and the scale.
Comparison compare(const at::Tensor& actual, const at::Tensor& expected, Tolerance tolerance,
                   const at::Tensor& terms = {});

/// ||actual - expected|| / ||expected|| in fp64; not finite if either holds a non-finite value.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

/// Standard normal values from a seed on the CPU, independent of LibTorch's generator.
at::Tensor random_normal(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType dtype = at::kDouble);

/// "[2, 5]": the index of the flat element of a tensor of that shape.
std::string index_text(std::int64_t flat, at::IntArrayRef shape);

}  // namespace ingot
