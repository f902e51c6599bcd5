#include "ops/rotary/cpu.h"

#include "device/simd.h"

namespace ingot::ops::rotary_cpu {

namespace {

using simd::store;
using simd::wide;

template <class T, class A>
INGOT_INLINE void rotate_tokens(const Rotation<T, A>& r, std::int64_t begin, std::int64_t end) {
  const std::int64_t half = r.half, heads = r.heads;
  const A sign = r.sign;
  for (std::int64_t t = begin; t < end; ++t) {
    const A* __restrict c = r.cos + (t % r.angle_rows) * half;
    const A* __restrict s = r.sin + (t % r.angle_rows) * half;
    for (std::int64_t h = 0; h < heads; ++h) {
      const T* __restrict x = r.x + t * r.x_stride + h * 2 * half;
      T* __restrict y = r.y + (t * heads + h) * 2 * half;
      for (std::int64_t i = 0; i < half; ++i) {
        const A a = wide(x[i]), b = wide(x[i + half]), turn = sign * s[i];
        store(y + i, a * c[i] - b * turn);
        store(y + i + half, b * c[i] + a * turn);
      }
    }
  }
}

}  // namespace

template <class T, class A>
void Rotation<T, A>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(rotate_tokens(*this, begin, end));
}

template struct Rotation<float, float>;
template struct Rotation<double, double>;
template struct Rotation<std::uint16_t, float>;

}  // namespace ingot::ops::rotary_cpu
