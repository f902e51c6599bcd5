#include "ops/scale_heads/cpu.h"

#include "device/simd.h"

namespace ingot::ops::scale_heads_cpu {

namespace {

using simd::kLanes;
using simd::store;
using simd::wide;

template <class T, class A>
INGOT_INLINE void forward_tokens(const ScaleHeads<T, A>& s, const T* added, T* y, std::int64_t begin,
                                 std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const A scale = s.scale[t * s.scale_stride + h];
      const std::int64_t at = (t * s.heads + h) * s.width;
      const T* __restrict x = s.x + t * s.x_stride + h * s.width;
      T* __restrict out = y + at;
      if (added == nullptr) {
        for (std::int64_t i = 0; i < s.width; ++i) store(out + i, scale * wide(x[i]));
      } else {
        for (std::int64_t i = 0; i < s.width; ++i) store(out + i, scale * wide(x[i]) + wide(added[at + i]));
      }
    }
  }
}

template <class T, class A>
INGOT_INLINE void backward_tokens(const ScaleHeads<T, A>& s, const T* dy, T* dx, A* dscale, std::int64_t begin,
                                  std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const A scale = s.scale[t * s.scale_stride + h];
      const T* __restrict x = s.x + t * s.x_stride + h * s.width;
      const T* __restrict d = dy + (t * s.heads + h) * s.width;
      T* __restrict out = dx + (t * s.heads + h) * s.width;
      A lanes[kLanes] = {};
      A sum = 0;
      std::int64_t i = 0;
      for (; i + kLanes <= s.width; i += kLanes) {
        for (int j = 0; j < kLanes; ++j) lanes[j] += wide(d[i + j]) * wide(x[i + j]);
      }
      for (; i < s.width; ++i) sum += wide(d[i]) * wide(x[i]);
      for (const A lane : lanes) sum += lane;
      dscale[t * s.heads + h] = sum;
      for (std::int64_t k = 0; k < s.width; ++k) store(out + k, scale * wide(d[k]));
    }
  }
}

}  // namespace

template <class T, class A>
void ScaleHeads<T, A>::forward(const T* added, T* y, std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(forward_tokens(*this, added, y, begin, end));
}
template <class T, class A>
void ScaleHeads<T, A>::backward(const T* dy, T* dx, A* dscale, std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(backward_tokens(*this, dy, dx, dscale, begin, end));
}

template struct ScaleHeads<float, float>;
template struct ScaleHeads<double, double>;
template struct ScaleHeads<std::uint16_t, float>;

}  // namespace ingot::ops::scale_heads_cpu
