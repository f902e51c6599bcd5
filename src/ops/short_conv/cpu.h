#pragma once
// CPU kernels of short_conv.h: channels [begin, end) of one batch row. T is float, double or std::uint16_t (bfloat16).

#include <cstdint>

namespace ingot::ops::short_conv_cpu {

inline constexpr std::int64_t kMaxTaps = 8;

template <class T, class A>
struct Conv {
  const T* x;  // [T, C], rows `x_stride` apart
  std::int64_t x_stride;
  std::int64_t length, channels, taps;
  const A* weight;             // [k, C]: taps apart, so that channels lie side by side
  const A* bias;               // [C] or null
  const T* incoming;           // [k-1, C]
  const T* fresh;              // [k-1, C]
  const std::int64_t* origin;  // [T] or null
  bool silu;

  /// y [T, C].
  void forward(T* y, std::int64_t begin, std::int64_t end) const;

  struct Gradients {
    const T* dy;   // [T, C]
    T* dx;         // [T, C]
    A* dweight;    // [k, C], added to
    A* dbias;      // [C], added to, or null
    A* dincoming;  // [k-1, C], added to
    A* dfresh;     // [k-1, C], added to
    A* scratch;    // [T, end - begin]
  };
  void backward(const Gradients& g, std::int64_t begin, std::int64_t end) const;
};

}  // namespace ingot::ops::short_conv_cpu
