#include "ops/short_conv/cpu.h"

#include "device/simd.h"

namespace ingot::ops::short_conv_cpu {

namespace {

using simd::sigmoid;
using simd::store;
using simd::wide;

/// Where the taps of token t read: the first row of its document, and the tail before that.
struct Place {
  std::int64_t start;
  bool in_incoming;
};

template <class T, class A>
INGOT_INLINE Place place_of(const Conv<T, A>& c, std::int64_t t) {
  const std::int64_t origin = c.origin == nullptr ? -1 : c.origin[t];
  return origin < 0 ? Place{0, true} : Place{origin, false};
}

template <class T, class A>
INGOT_INLINE const T* source(const Conv<T, A>& c, const Place& place, std::int64_t row) {
  if (row >= place.start) return c.x + row * c.x_stride;
  const std::int64_t tail_row = c.taps - 1 + row - place.start;
  return (place.in_incoming ? c.incoming : c.fresh) + tail_row * c.channels;
}

/// out[i] = bias + sum over taps, channels [begin, begin + n).
template <int kTaps, class T, class A>
INGOT_INLINE void convolve(const Conv<T, A>& c, const T* const* rows, std::int64_t begin, std::int64_t n, A* out) {
  const std::int64_t taps = kTaps > 0 ? kTaps : c.taps;
  for (std::int64_t i = 0; i < n; ++i) out[i] = c.bias == nullptr ? A(0) : c.bias[begin + i];
  if constexpr (kTaps == 4) {
    const T *a = rows[0] + begin, *b = rows[1] + begin, *d = rows[2] + begin, *e = rows[3] + begin;
    const A* w = c.weight + begin;
    for (std::int64_t i = 0; i < n; ++i) {
      out[i] += wide(a[i]) * w[i] + wide(b[i]) * w[c.channels + i] + wide(d[i]) * w[2 * c.channels + i] +
                wide(e[i]) * w[3 * c.channels + i];
    }
  } else {
    for (std::int64_t j = 0; j < taps; ++j) {
      const T* row = rows[j] + begin;
      const A* w = c.weight + j * c.channels + begin;
      for (std::int64_t i = 0; i < n; ++i) out[i] += wide(row[i]) * w[i];
    }
  }
}

template <class T, class A>
INGOT_INLINE void pre_activation(const Conv<T, A>& c, std::int64_t t, std::int64_t begin, std::int64_t n, A* out) {
  const T* rows[kMaxTaps];
  const Place place = place_of(c, t);
  for (std::int64_t j = 0; j < c.taps; ++j) rows[j] = source(c, place, t - c.taps + 1 + j);
  if (c.taps == 4) {
    convolve<4>(c, rows, begin, n, out);
  } else {
    convolve<0>(c, rows, begin, n, out);
  }
}

constexpr std::int64_t kBlock = 256;

template <class T, class A>
INGOT_INLINE void forward_channels(const Conv<T, A>& c, T* y, std::int64_t begin, std::int64_t end) {
  A out[kBlock];
  for (std::int64_t t = 0; t < c.length; ++t) {
    for (std::int64_t b = begin; b < end; b += kBlock) {
      const std::int64_t n = b + kBlock < end ? kBlock : end - b;
      pre_activation(c, t, b, n, out);
      T* row = y + t * c.channels + b;
      if (c.silu) {
        for (std::int64_t i = 0; i < n; ++i) store(row + i, out[i] * sigmoid(out[i]));
      } else {
        for (std::int64_t i = 0; i < n; ++i) store(row + i, out[i]);
      }
    }
  }
}

/// scratch[t] = dy · act'(pre-activation).
template <class T, class A>
INGOT_INLINE void pre_gradient(const Conv<T, A>& c, const T* dy, std::int64_t t, std::int64_t begin, std::int64_t n,
                               A* out) {
  const T* row = dy + t * c.channels + begin;
  if (!c.silu) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = wide(row[i]);
    return;
  }
  pre_activation(c, t, begin, n, out);
  for (std::int64_t i = 0; i < n; ++i) {
    const A z = out[i], s = sigmoid(z);
    out[i] = wide(row[i]) * s * (A(1) + z * (A(1) - s));
  }
}

template <class T, class A>
INGOT_INLINE void backward_channels(const Conv<T, A>& c, const typename Conv<T, A>::Gradients& g, std::int64_t begin,
                                    std::int64_t end) {
  const std::int64_t n = end - begin, taps = c.taps;
  for (std::int64_t t = 0; t < c.length; ++t) pre_gradient(c, g.dy, t, begin, n, g.scratch + t * n);
  A out[kBlock];
  for (std::int64_t t = 0; t < c.length; ++t) {
    const A* d = g.scratch + t * n;
    if (g.dbias != nullptr) {
      for (std::int64_t i = 0; i < n; ++i) g.dbias[begin + i] += d[i];
    }
    // dweight, and the tails' share.
    const Place place = place_of(c, t);
    for (std::int64_t j = 0; j < taps; ++j) {
      const std::int64_t row = t - taps + 1 + j;
      const T* x = source(c, place, row) + begin;
      A* dw = g.dweight + j * c.channels + begin;
      for (std::int64_t i = 0; i < n; ++i) dw[i] += d[i] * wide(x[i]);
      if (row >= place.start) continue;
      const A* w = c.weight + j * c.channels + begin;
      A* dtail = (place.in_incoming ? g.dincoming : g.dfresh) + (taps - 1 + row - place.start) * c.channels + begin;
      for (std::int64_t i = 0; i < n; ++i) dtail[i] += d[i] * w[i];
    }
    // dx_t gathers from the later tokens of its document.
    for (std::int64_t i = 0; i < n; ++i) out[i] = 0;
    for (std::int64_t lag = 0; lag < taps && t + lag < c.length; ++lag) {
      if (place_of(c, t + lag).start > t) break;
      const A* later = g.scratch + (t + lag) * n;
      const A* w = c.weight + (taps - 1 - lag) * c.channels + begin;
      for (std::int64_t i = 0; i < n; ++i) out[i] += later[i] * w[i];
    }
    T* dx = g.dx + t * c.channels + begin;
    for (std::int64_t i = 0; i < n; ++i) store(dx + i, out[i]);
  }
}

}  // namespace

template <class T, class A>
void Conv<T, A>::forward(T* y, std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(forward_channels(*this, y, begin, end));
}
template <class T, class A>
void Conv<T, A>::backward(const Gradients& g, std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(backward_channels(*this, g, begin, end));
}

template struct Conv<float, float>;
template struct Conv<double, double>;
template struct Conv<std::uint16_t, float>;

}  // namespace ingot::ops::short_conv_cpu
