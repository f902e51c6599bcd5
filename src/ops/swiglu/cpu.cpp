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

template <class T>
void forward(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y) {
  INGOT_MULTIVERSION(forward_rows(x, n, begin, end, y));
}
template <class T>
void backward(const T* x, const T* dy, std::int64_t n, std::int64_t begin, std::int64_t end, T* dx) {
  INGOT_MULTIVERSION(backward_rows(x, dy, n, begin, end, dx));
}

#define INGOT_INSTANTIATE(T)                                                                     \
  template void forward(const T* x, std::int64_t n, std::int64_t begin, std::int64_t end, T* y); \
  template void backward(const T* x, const T* dy, std::int64_t n, std::int64_t begin, std::int64_t end, T* dx);

INGOT_INSTANTIATE(float)
INGOT_INSTANTIATE(double)
INGOT_INSTANTIATE(std::uint16_t)

}  // namespace ingot::ops::swiglu_cpu
