#include "ops/rms_norm/cpu.h"

#include <cmath>
#include <vector>

#include "device/simd.h"

namespace ingot::ops::rms_norm_cpu {

namespace {

using simd::kLanes;
using simd::sigmoid;
using simd::store;
using simd::wide;

INGOT_INLINE double rounded_as(double, double x) { return x; }
INGOT_INLINE float rounded_as(float, float x) { return x; }
INGOT_INLINE float rounded_as(std::uint16_t, float x) {
  std::uint16_t bits;
  simd::store(&bits, x);
  return wide(bits);
}

/// sum of f(i) for i in [0, n), in kLanes independent partial sums.
template <class A, class F>
INGOT_INLINE A lane_sum(std::int64_t n, F f) {
  A lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += f(i + j);
  }
  A sum = 0;
  for (; i < n; ++i) sum += f(i);
  for (A lane : lanes) sum += lane;
  return sum;
}

template <class T, class Out, class A>
INGOT_INLINE void forward_row(const T* x, const T* gate, std::int64_t n, const A* gain, const Coefficients& c, A* gated,
                              Out* y, A* r_out) {
  if (gate != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) {
      const A z = wide(gate[i]);
      gated[i] = wide(x[i]) * z * sigmoid(z);
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) gated[i] = wide(x[i]);
  }
  const A sum = lane_sum<A>(n, [&](std::int64_t i) { return gated[i] * gated[i]; });
  const A r = A(1) / std::sqrt(A(c.factor) * sum + A(c.eps));
  const A factor = r * A(c.scale);
  if (gain != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) store(y + i, rounded_as(T(), gated[i] * factor) * gain[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) store(y + i, gated[i] * factor);
  }
  *r_out = r;
}

// With u = x (or x · silu(gate)) and g = gain · dy:  du = scale · r · (g - u · factor · r² · <g, u>).
template <class T, class Out, class A>
INGOT_INLINE void backward_row(const T* x, const T* gate, const Out* dy, std::int64_t n, const A* gain, A r,
                               const Coefficients& c, A* u, A* g, T* dx, T* dgate, A* dgain) {
  for (std::int64_t i = 0; i < n; ++i) u[i] = wide(x[i]);
  if (gate != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) {
      const A z = wide(gate[i]);
      u[i] *= z * sigmoid(z);
    }
  }
  for (std::int64_t i = 0; i < n; ++i) g[i] = wide(dy[i]);
  const A scale = r * A(c.scale);
  if (gain != nullptr) {
    if (dgain != nullptr) {
      for (std::int64_t i = 0; i < n; ++i) dgain[i] += g[i] * u[i] * scale;
    }
    for (std::int64_t i = 0; i < n; ++i) g[i] *= gain[i];
  }
  const A dot = lane_sum<A>(n, [&](std::int64_t i) { return g[i] * u[i]; });
  const A pull = A(c.factor) * r * r * dot;
  if (gate == nullptr) {
    for (std::int64_t i = 0; i < n; ++i) store(dx + i, scale * (g[i] - u[i] * pull));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const A z = wide(gate[i]);
    const A s = sigmoid(z);
    const A du = scale * (g[i] - u[i] * pull);
    store(dx + i, du * z * s);
    store(dgate + i, du * wide(x[i]) * s * (A(1) + z * (A(1) - s)));
  }
}

template <class T>
INGOT_INLINE const T* group(const T* base, const Rows& rows, std::int64_t index) {
  return base == nullptr ? nullptr : base + index * rows.stride;
}

template <class T, class Out, class A>
INGOT_INLINE void forward_groups(const Forward<T, Out, A>& f, std::int64_t begin, std::int64_t end, A* scratch) {
  const std::int64_t n = f.x_rows.width, inner = f.x_rows.inner;
  for (std::int64_t o = begin; o < end; ++o) {
    const T* x = group(f.x, f.x_rows, o);
    const T* gate = group(f.gate, f.gate_rows, o);
    for (std::int64_t i = 0; i < inner; ++i) {
      const std::int64_t row = o * inner + i;
      forward_row<T, Out, A>(x + i * n, gate == nullptr ? nullptr : gate + i * n, n, f.gain, f.c, scratch,
                             f.y + row * n, f.r + row);
    }
  }
}

template <class T, class Out, class A>
INGOT_INLINE void backward_groups(const Backward<T, Out, A>& b, std::int64_t begin, std::int64_t end, A* dgain,
                                  A* scratch) {
  const std::int64_t n = b.x_rows.width, inner = b.x_rows.inner;
  for (std::int64_t o = begin; o < end; ++o) {
    const T* x = group(b.x, b.x_rows, o);
    const T* gate = group(b.gate, b.gate_rows, o);
    for (std::int64_t i = 0; i < inner; ++i) {
      const std::int64_t row = o * inner + i;
      backward_row<T, Out, A>(x + i * n, gate == nullptr ? nullptr : gate + i * n, b.dy + row * n, n, b.gain, b.r[row],
                              b.c, scratch, scratch + n, b.dx + row * n,
                              b.dgate == nullptr ? nullptr : b.dgate + row * n, dgain);
    }
  }
}

}  // namespace

#define INGOT_DEFINE(T, Out, A, name)                                                                         \
  INGOT_MULTIVERSION void forward_##name(const Forward<T, Out, A>& f, std::int64_t begin, std::int64_t end,   \
                                         A* scratch) {                                                        \
    forward_groups<T, Out, A>(f, begin, end, scratch);                                                        \
  }                                                                                                           \
  INGOT_MULTIVERSION void backward_##name(const Backward<T, Out, A>& b, std::int64_t begin, std::int64_t end, \
                                          A* dgain, A* scratch) {                                             \
    backward_groups<T, Out, A>(b, begin, end, dgain, scratch);                                                \
  }                                                                                                           \
  template <>                                                                                                 \
  void Forward<T, Out, A>::run(std::int64_t begin, std::int64_t end) const {                                  \
    std::vector<A> scratch(static_cast<std::size_t>(x_rows.width));                                           \
    forward_##name(*this, begin, end, scratch.data());                                                        \
  }                                                                                                           \
  template <>                                                                                                 \
  void Backward<T, Out, A>::run(std::int64_t begin, std::int64_t end, A* dgain_part) const {                  \
    std::vector<A> scratch(static_cast<std::size_t>(2 * x_rows.width));                                       \
    backward_##name(*this, begin, end, dgain_part, scratch.data());                                           \
  }

INGOT_DEFINE(float, float, float, float)
INGOT_DEFINE(double, double, double, double)
INGOT_DEFINE(std::uint16_t, std::uint16_t, float, bfloat16)
INGOT_DEFINE(float, std::uint16_t, float, float_to_bfloat16)

}  // namespace ingot::ops::rms_norm_cpu
