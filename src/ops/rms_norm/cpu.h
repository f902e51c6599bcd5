#pragma once
// CPU kernels of rms_norm.h over raw rows. T, the type of x, is float, double or std::uint16_t (bfloat16 bits); Out, that of
// y, is T or std::uint16_t; A is double for double, else float.

#include <cstdint>

#include "ops/rows.h"

namespace ingot::ops::rms_norm_cpu {

/// r = 1 / sqrt(factor · sum(x²) + eps);  y = scale · x · r · gain.
struct Coefficients {
  double factor = 1;
  double eps = 0;
  double scale = 1;
};

/// y and r are contiguous; gain may be null; with a gate (rows as x) x stands for x · silu(gate).
template <class T, class Out, class A>
struct Forward {
  const T* x;
  const T* gate;  // or null
  Rows x_rows, gate_rows;
  const A* gain;  // or null
  Coefficients c;
  Out* y;
  A* r;
  void run(std::int64_t begin, std::int64_t end) const;  // groups
};

/// dx (and dgate) contiguous; dgain_part [width] is added to, or null.
template <class T, class Out, class A>
struct Backward {
  const T* x;
  const T* gate;
  const Out* dy;  // contiguous
  Rows x_rows, gate_rows;
  const A* gain;
  const A* r;
  Coefficients c;
  T* dx;
  T* dgate;
  void run(std::int64_t begin, std::int64_t end, A* dgain_part) const;
};

}  // namespace ingot::ops::rms_norm_cpu
