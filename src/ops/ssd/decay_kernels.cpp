#include "ops/ssd/decay_kernels.h"

#include "device/simd.h"

namespace ingot::ops::decay_kernels {

namespace {

using simd::kLanes;
using simd::store;
using simd::wide;

/// Hidden pairs below the diagonal, if any, get a decay of zero; what exp gets is never positive.
template <class Wide>
INGOT_INLINE Wide decay(Wide b_i, Wide b_j) {
  const Wide x = b_i - b_j;
  return simd::exp(x < Wide(0) ? x : Wide(0));
}

template <class Wide>
INGOT_INLINE Wide sum_of(const Wide* x, std::int64_t n) {
  Wide lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
  }
  Wide sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += lanes[j];
  for (; i < n; ++i) sum += x[i];
  return sum;
}

template <class Product, class Wide>
INGOT_INLINE void forward(const Forward<Product, Wide>& f, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = f.sizes.chunk;
  for (std::int64_t block = begin; block < end; ++block) {
    const Product* __restrict pairs = f.pairs + block * n * n;
    const bool* __restrict visible = f.visible == nullptr ? nullptr : f.visible + block / f.sizes.groups * n * n;
    for (std::int64_t r = 0; r < f.sizes.heads; ++r) {
      const std::int64_t head = block * f.sizes.heads + r;
      const Wide* __restrict b = f.b + head * n;
      Product* __restrict scores = f.scores + head * n * n;
      for (std::int64_t i = 0; i < n; ++i) {
        const Wide b_i = b[i];
        for (std::int64_t j = 0; j <= i; ++j) store(scores + i * n + j, wide(pairs[i * n + j]) * decay(b_i, b[j]));
        for (std::int64_t j = i + 1; j < n; ++j) store(scores + i * n + j, Wide(0));
        if (visible == nullptr) continue;
        for (std::int64_t j = 0; j <= i; ++j) scores[i * n + j] = visible[i * n + j] ? scores[i * n + j] : Product(0);
      }
    }
  }
}

template <class Product, class Wide>
INGOT_INLINE void backward(const Backward<Product, Wide>& f, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = f.sizes.chunk;
  for (std::int64_t block = begin; block < end; ++block) {
    const bool* __restrict visible = f.visible == nullptr ? nullptr : f.visible + block / f.sizes.groups * n * n;
    Wide* __restrict sum = f.scratch + block * n * (n + 1);
    Wide* __restrict row = sum + n * n;
    for (std::int64_t i = 0; i < n * n; ++i) sum[i] = Wide(0);
    for (std::int64_t r = 0; r < f.sizes.heads; ++r) {
      const std::int64_t head = block * f.sizes.heads + r;
      const Wide* __restrict b = f.b + head * n;
      const Product* __restrict scores = f.scores + head * n * n;
      const Product* __restrict dscores = f.dscores + head * n * n;
      Wide* __restrict db = f.db + head * n;
      for (std::int64_t i = 0; i < n; ++i) db[i] = Wide(0);
      for (std::int64_t i = 0; i < n; ++i) {
        const Wide b_i = b[i];
        Wide* __restrict to = sum + i * n;
        for (std::int64_t j = 0; j <= i; ++j) row[j] = wide(dscores[i * n + j]);
        if (visible != nullptr) {
          for (std::int64_t j = 0; j <= i; ++j) row[j] = visible[i * n + j] ? row[j] : Wide(0);
        }
        for (std::int64_t j = 0; j <= i; ++j) to[j] += row[j] * decay(b_i, b[j]);
        for (std::int64_t j = 0; j <= i; ++j) row[j] *= wide(scores[i * n + j]);
        for (std::int64_t j = 0; j <= i; ++j) db[j] -= row[j];
        db[i] += sum_of(row, i + 1);
      }
    }
    Product* __restrict dpairs = f.dpairs + block * n * n;
    for (std::int64_t i = 0; i < n * n; ++i) store(dpairs + i, sum[i]);
  }
}

}  // namespace

template <class Product, class Wide>
void Forward<Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(forward(*this, begin, end));
}
template <class Product, class Wide>
void Backward<Product, Wide>::run(std::int64_t begin, std::int64_t end) const {
  INGOT_MULTIVERSION(backward(*this, begin, end));
}

template struct Forward<double, double>;
template struct Forward<float, float>;
template struct Forward<std::uint16_t, float>;
template struct Backward<double, double>;
template struct Backward<float, float>;
template struct Backward<std::uint16_t, float>;

}  // namespace ingot::ops::decay_kernels
