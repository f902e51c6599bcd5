#include "ops/ssd/scan_kernels.h"

#include "device/simd.h"

namespace ingot::ops::scan_kernels {

namespace {

using simd::store;
using simd::wide;

template <class Product, class Wide>
INGOT_INLINE void scan(const Scan<Product, Wide>& s, std::int64_t begin, std::int64_t end) {
  const Sizes& z = s.sizes;
  const std::int64_t size = z.heads * z.width;
  for (std::int64_t index = begin; index < end; ++index) {
    const std::int64_t block = index / z.rows, row = index % z.rows, b = block / z.groups, g = block % z.groups;
    for (std::int64_t i = 0; i < z.chunks; ++i) {
      const std::int64_t n = b * z.chunks + (s.reverse ? z.chunks - 1 - i : i);
      for (std::int64_t r = 0; r < z.heads; ++r) {
        const std::int64_t head = (n * z.groups + g) * z.heads + r, at = index * size + r * z.width;
        Product* __restrict states = s.states + ((n * z.groups + g) * z.rows + row) * size + r * z.width;
        Wide* __restrict state = s.state + at;
        const Wide keep = s.keep[head];
        if (s.restart != nullptr) {
          const Wide restart = s.restart[head];
          const Wide* __restrict fresh = s.fresh + at;
          for (std::int64_t j = 0; j < z.width; ++j) {
            const Wide now = state[j];
            state[j] = keep * now + wide(states[j]) + restart * fresh[j];
            store(states + j, now);
          }
        } else {
          for (std::int64_t j = 0; j < z.width; ++j) {
            const Wide now = state[j];
            state[j] = keep * now + wide(states[j]);
            store(states + j, now);
          }
        }
      }
    }
  }
}

}  // namespace

template <class Product, class Wide>
void Scan<Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(scan(*this, begin, end));
}

template struct Scan<double, double>;
template struct Scan<float, float>;
template struct Scan<std::uint16_t, float>;

}  // namespace ingot::ops::scan_kernels
