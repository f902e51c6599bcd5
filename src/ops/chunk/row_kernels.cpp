#include "ops/chunk/row_kernels.h"

#include "device/simd.h"

namespace ingot::ops::row_kernels {

namespace {

using simd::kLanes;
using simd::store;
using simd::wide;

/// Calls f(offset of the row in each place, index of the row's factor, whether it is within the length).
template <class F, class... Places>
INGOT_INLINE void each_row(const Extent& e, std::int64_t begin, std::int64_t end, F f, const Places&... places) {
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t b = block / e.chunks, n = block % e.chunks;
    for (std::int64_t c = 0; c < e.chunk; ++c) {
      const bool within = n * e.chunk + c < e.length;
      std::int64_t index = (block * e.chunk + c) * e.groups * e.heads;
      for (std::int64_t g = 0; g < e.groups; ++g) {
        for (std::int64_t r = 0; r < e.heads; ++r, ++index) {
          f(within, index,
            (b * places.batch + n * places.chunk + c * places.row + g * places.group + r * places.head)...);
        }
      }
    }
  }
}

template <class Row, class Product, class Wide>
INGOT_INLINE void spread(const Spread<Row, Product, Wide>& s, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = s.extent.width;
  each_row(
      s.extent, begin, end,
      [&](bool within, std::int64_t index, std::int64_t from, std::int64_t plain_at, std::int64_t scaled_at)
          __attribute__((always_inline)) {
            const Row* __restrict in = s.rows + from;
            if (s.plain != nullptr) {
              Product* __restrict out = s.plain + plain_at;
              if (within) {
                for (std::int64_t i = 0; i < width; ++i) store(out + i, Wide(wide(in[i])));
              } else {
                for (std::int64_t i = 0; i < width; ++i) store(out + i, Wide(0));
              }
            }
            if (s.scaled != nullptr) {
              Product* __restrict out = s.scaled + scaled_at;
              const Wide factor = s.factor[index];
              if (within) {
                for (std::int64_t i = 0; i < width; ++i) store(out + i, factor * Wide(wide(in[i])));
              } else {
                for (std::int64_t i = 0; i < width; ++i) store(out + i, Wide(0));
              }
            }
          },
      s.rows_at, s.plain_at, s.scaled_at);
}

template <class Row, class Product, class Wide>
INGOT_INLINE void gather(const Gather<Row, Product, Wide>& s, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = s.extent.width;
  each_row(
      s.extent, begin, end,
      [&](bool within, std::int64_t index, std::int64_t x_at, std::int64_t y_at, std::int64_t to)
          __attribute__((always_inline)) {
            if (!within) return;
            const Product* __restrict x = s.x + x_at;
            const Product* __restrict y = s.y + y_at;
            Row* __restrict out = s.rows + to;
            const Wide factor = s.factor != nullptr ? s.factor[index] : Wide(1);
            if (s.y != nullptr) {
              for (std::int64_t i = 0; i < width; ++i) store(out + i, factor * wide(x[i]) + wide(y[i]));
            } else {
              for (std::int64_t i = 0; i < width; ++i) store(out + i, factor * wide(x[i]));
            }
          },
      s.x_at, s.y_at, s.rows_at);
}

template <class Product, class Wide>
INGOT_INLINE void dots(const Dots<Product, Wide>& s, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = s.extent.width;
  each_row(
      s.extent, begin, end,
      [&](bool /*within*/, std::int64_t index, std::int64_t a_at, std::int64_t b_at) __attribute__((always_inline)) {
        const Product* __restrict a = s.a + a_at;
        const Product* __restrict b = s.b + b_at;
        Wide lanes[kLanes] = {};
        std::int64_t i = 0;
        for (; i + kLanes <= width; i += kLanes) {
          for (int j = 0; j < kLanes; ++j) lanes[j] += wide(a[i + j]) * wide(b[i + j]);
        }
        Wide sum = 0;
        for (int j = 0; j < kLanes; ++j) sum += lanes[j];
        for (; i < width; ++i) sum += wide(a[i]) * wide(b[i]);
        s.out[index] = sum;
      },
      s.a_at, s.b_at);
}

}  // namespace

template <class Row, class Product, class Wide>
void Spread<Row, Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(spread(*this, begin, end));
}
template <class Row, class Product, class Wide>
void Gather<Row, Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(gather(*this, begin, end));
}
template <class Product, class Wide>
void Dots<Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(dots(*this, begin, end));
}

#define INGOT_INSTANTIATE(Row, Product, Wide) \
  template struct Spread<Row, Product, Wide>; \
  template struct Gather<Row, Product, Wide>;

INGOT_INSTANTIATE(double, double, double)
INGOT_INSTANTIATE(float, float, float)
INGOT_INSTANTIATE(std::uint16_t, float, float)
INGOT_INSTANTIATE(std::uint16_t, std::uint16_t, float)
INGOT_INSTANTIATE(float, std::uint16_t, float)
template struct Dots<double, double>;
template struct Dots<float, float>;
template struct Dots<std::uint16_t, float>;

}  // namespace ingot::ops::row_kernels
