#include "device/few_rows.h"

#include <algorithm>
#include <cstdint>

#include "device/parallel.h"
#include "device/simd.h"

namespace ingot {
namespace {

constexpr std::int64_t kMostRows = 4;
constexpr std::int64_t kLeastDepth = 2 * simd::kLanes;  // of a sum that fills the lanes
constexpr std::int64_t kThreadElements = 1 << 15;       // of b for a thread, at least

/// c[r, j] = sum_i a[r, i] w[j, i]
template <class T, class Out>
struct FewRows {
  const T *a, *w;
  Out* c;
  std::int64_t rows, depth, a_stride, w_stride, c_stride;

  void run(std::int64_t begin, std::int64_t end) const { INGOT_MULTIVERSION(columns(begin, end)); }

 private:
  /// One column after the other, each a run of memory: prefetchers follow that better than several at once (1.3 times
  /// as fast).
  INGOT_INLINE void columns(std::int64_t begin, std::int64_t end) const {
    for (auto column = begin; column < end; ++column) {
      const T* const weights = w + column * w_stride;
      for (std::int64_t r = 0; r < rows; ++r) {
        const T* const row = a + r * a_stride;
        const auto product = [&](std::int64_t i) { return simd::wide(row[i]) * simd::wide(weights[i]); };
        simd::store(c + r * c_stride + column, simd::lane_sum<float>(depth, product));
      }
    }
  }
};

using Bf16 = std::uint16_t;

template <class T, class Out>
void multiply(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
  const FewRows<T, Out> product = {static_cast<const T*>(a.const_data_ptr()),
                                   static_cast<const T*>(b.const_data_ptr()),
                                   static_cast<Out*>(c.data_ptr()),
                                   a.size(0),
                                   a.size(1),
                                   a.stride(0),
                                   b.stride(1),
                                   c.stride(0)};
  const auto grain = std::max<std::int64_t>(1, kThreadElements / a.size(1));
  parallel_for(0, b.size(1), grain, [&](std::int64_t begin, std::int64_t end) { product.run(begin, end); });
}

}  // namespace

bool suits_few_rows(const at::Tensor& a, const at::Tensor& b) {
  const auto type = a.scalar_type();
  return a.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && b.scalar_type() == type && a.size(0) > 0 &&
         a.size(0) <= kMostRows && a.size(1) >= kLeastDepth && a.stride(1) == 1 && b.stride(0) == 1;
}

void few_rows_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat) {
    multiply<float, float>(c, a, b);
  } else if (c.scalar_type() == at::kFloat) {
    multiply<Bf16, float>(c, a, b);
  } else {
    multiply<Bf16, Bf16>(c, a, b);
  }
}

}  // namespace ingot
