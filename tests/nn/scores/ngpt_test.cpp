#include <cmath>

#include "nn/scores/fixture.h"

namespace ingot::testing {
namespace {

constexpr double kRootWidth = 5.656854249492380195;  // of the 32 entries of all heads

/// As in the paper: queries and keys are unit vectors times s_qk.
TEST(NgptScore, WeighsUnitQueriesAndKeys) {
  const ScoreFixture f("{type: ngpt, start: 0.5}");
  const at::Tensor s = f.harness.params().at("score.s_qk") * 0.5 * kRootWidth;
  const auto unit = [](const at::Tensor& x) { return x / x.square().sum(-1, true).sqrt(); };
  const at::Tensor expected = std::sqrt(8.0) * ((s * unit(queries())) * (s * unit(keys()))).sum(-1);
  EXPECT_TRUE(close(f(queries(), keys()), expected, Tolerance::of(at::kDouble).reduction(kHeadDim).chain(4)));
}

TEST(NgptScore, StartsAsTheCosineTimesTheRootOfTheHead) {
  const ScoreFixture f("ngpt", true);
  EXPECT_FLOAT_EQ(f.harness.params().at("score.s_qk")[3][7].item<float>(), static_cast<float>(1 / kRootWidth));
  const at::Tensor expected = std::sqrt(8.0) * cosines(queries(at::kFloat), keys(at::kFloat));
  EXPECT_TRUE(close(f(queries(at::kFloat), keys(at::kFloat)), expected,
                    Tolerance::of(at::kFloat).reduction(kHeadDim).chain(4)));
}

}  // namespace
}  // namespace ingot::testing
