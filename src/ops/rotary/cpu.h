#pragma once
// CPU kernel of rotary.h.

#include <cstdint>

namespace ingot::ops::rotary_cpu {

/// Tokens [begin, end): `heads` heads of 2·half elements side by side, tokens `x_stride` elements apart in x and
/// heads·2·half in y. Token t has the angles of row t % angle_rows. T is float, double or std::uint16_t (bfloat16).
template <class T, class A>
struct Rotation {
  const T* x;
  std::int64_t x_stride, heads, half;
  const A* cos;
  const A* sin;
  std::int64_t angle_rows;
  A sign;  // -1 turns back
  T* y;
  void run(std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::rotary_cpu
