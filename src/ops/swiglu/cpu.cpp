#include "ops/swiglu/cpu.h"

#include "device/simd.h"

namespace ingot::ops::swiglu_cpu {

namespace {

using simd::sigmoid;
using simd::store;
using simd::wide;

template <class T>
INGOT_INLINE void forward_rows(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* gate = x + row * 2 * n;
    const T* up = gate + n;
    T* out = y + row * n;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto g = wide(gate[i]);
      store(out + i, g * sigmoid(g) * wide(up[i]));
    }
  }
}

// With s = sigmoid(g): dup = dy · g · s;  dgate = dy · up · s · (1 + g (1 - s)).
template <class T>
INGOT_INLINE void backward_rows(const T* x, const T* dy, std::int64_t n, std::int64_t begin, std::int64_t end, T* dx) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* gate = x + row * 2 * n;
    const T* up = gate + n;
    const T* d = dy + row * n;
    T* dgate = dx + row * 2 * n;
    T* dup = dgate + n;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto g = wide(gate[i]);
      const auto s = sigmoid(g);
      const auto down = wide(d[i]);
      store(dgate + i, down * wide(up[i]) * s * (1 + g * (1 - s)));
      store(dup + i, down * g * s);
    }
  }
}

}  // namespace

#define INGOT_DEFINE(T, name)                                                                                      \
  INGOT_MULTIVERSION void forward_##name(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y) { \
    forward_rows<T>(x, n, begin, end, y);                                                                          \
  }                                                                                                                \
  INGOT_MULTIVERSION void backward_##name(const T* x, const T* dy, std::int64_t n, std::int64_t begin,             \
                                          std::int64_t end, T* dx) {                                               \
    backward_rows<T>(x, dy, n, begin, end, dx);                                                                    \
  }                                                                                                                \
  template <>                                                                                                      \
  void forward<T>(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y) {                        \
    forward_##name(x, n, begin, end, y);                                                                           \
  }                                                                                                                \
  template <>                                                                                                      \
  void backward<T>(const T* x, const T* dy, std::int64_t n, std::int64_t begin, std::int64_t end, T* dx) {         \
    backward_##name(x, dy, n, begin, end, dx);                                                                     \
  }

INGOT_DEFINE(float, float)
INGOT_DEFINE(double, double)
INGOT_DEFINE(std::uint16_t, bfloat16)

}  // namespace ingot::ops::swiglu_cpu
