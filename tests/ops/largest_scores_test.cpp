#include "ops/attention/largest_scores.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// One pair at a time.
at::Tensor by_hand(const at::Tensor& q, const at::Tensor& k, std::int64_t window, double scale) {
  const std::int64_t heads = q.size(2), group = heads / k.size(2), before = k.size(1) - q.size(1);
  at::Tensor out = at::full({heads}, -std::numeric_limits<double>::infinity(), at::kDouble);
  for (std::int64_t b = 0; b < q.size(0); ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < q.size(1); ++i) {
        const auto own = before + i;
        for (std::int64_t j = window > 0 ? std::max<std::int64_t>(0, own - window + 1) : 0; j <= own; ++j) {
          const double score = scale * (q[b][i][h] * k[b][j][h / group]).sum().item<double>();
          out[h] = std::max(out[h].item<double>(), score);
        }
      }
    }
  }
  return out;
}

TEST(LargestScores, AreThoseOfVisiblePairsAlone) {
  for (const std::int64_t window : {0, 3}) {
    const at::Tensor q = random_normal({2, 7, 4, 5}, 1), k = random_normal({2, 9, 2, 5}, 2);
    ops::VisibleKeys seen;
    seen.window = window;
    EXPECT_TRUE(close(ops::largest_scores(q, k, seen, 0.7), by_hand(q, k, window, 0.7), Tolerance::of(at::kDouble)));
  }
}

TEST(LargestScores, BlocksOfQueriesDoNotMatter) {
  // Three blocks; the largest pair is in the last, and one that would be larger lies behind its query.
  at::Tensor q = random_normal({1, 300, 1, 4}, 3), k = random_normal({1, 300, 1, 4}, 4);
  q[0][290] = 10;
  k[0][280] = 10;
  k[0][295] = 100;
  q[0].narrow(0, 295, 5).zero_();
  EXPECT_DOUBLE_EQ(ops::largest_scores(q, k, {}, 0.5).item<double>(), 0.5 * 4 * 100);
}

}  // namespace
}  // namespace ingot::testing
