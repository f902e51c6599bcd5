#pragma once
// CPU kernels of scale_heads.h. T is float, double or std::uint16_t (bfloat16); A is double for double, else float.

#include <cstdint>

namespace ingot::ops::scale_heads_cpu {

/// Tokens of H heads of P elements side by side, `x_stride` apart in x and H·P in the others. Factors of a token are
/// `scale_stride` apart: H, or 0 where all tokens share them.
template <class T, class A>
struct ScaleHeads {
  const T* x;
  std::int64_t x_stride, heads, width;
  const A* scale;
  std::int64_t scale_stride;

  /// y = scale x + added; `added` may be null. Tokens [begin, end).
  void forward(const T* added, T* y, std::int64_t begin, std::int64_t end) const;
  /// dx = scale dy; dscale [tokens, H] = <dy, x>.
  void backward(const T* dy, T* dx, A* dscale, std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::scale_heads_cpu
