#include <cmath>

#include "nn/scores/fixture.h"

namespace ingot::testing {
namespace {

double start(const std::string& yaml, std::int64_t max_length) {
  return ScoreFixture(yaml, true, max_length).harness.params().at("score.g")[0].item<double>();
}

/// The paper's rule for the length of the training sequences.
TEST(QkCosine, StartsAtTheLogarithmOfTheNumberOfPairs) {
  EXPECT_NEAR(start("qk_cosine", 1024), 20.0, 2e-3);
  EXPECT_NEAR(start("qk_cosine", 256), 15.994, 1e-3);
  EXPECT_FLOAT_EQ(static_cast<float>(start("qk_cosine", 2)), 1.0F);
  EXPECT_FLOAT_EQ(static_cast<float>(start("qk_cosine", 1)), 1.0F);  // one token: the softmax has nothing to choose
  EXPECT_EQ(start("{type: qk_cosine, start: 7}", 1024), 7.0);
}

TEST(QkCosine, IsTheCosineTimesTheLearnedFactor) {
  for (const char* yaml : {"qk_cosine", "{type: qk_cosine, per_head: true}"}) {
    const ScoreFixture f(yaml);
    const at::Tensor g = f.harness.params().at("score.g");
    EXPECT_EQ(g.numel(), yaml[0] == '{' ? kHeads : 1);
    const auto tolerance = Tolerance::of(at::kDouble).reduction(kHeadDim).chain(3);
    EXPECT_TRUE(close(f(queries(), keys()), g * cosines(queries(), keys()), tolerance)) << yaml;
    EXPECT_TRUE(close(f(queries() * 1e3, keys() * 1e-3), f(queries(), keys()), tolerance)) << yaml;
  }
}

/// With g = sqrt(K) it is the dot product of queries and keys divided by their root mean squares.
TEST(QkCosine, EqualsTheDotProductOfNormalisedHeads) {
  const ScoreFixture f("{type: qk_cosine, start: " + std::to_string(std::sqrt(8.0)) + "}", true);
  const auto rms = [](const at::Tensor& x) { return x / x.square().mean(-1, true).sqrt(); };
  const at::Tensor expected = (rms(queries(at::kFloat)) * rms(keys(at::kFloat))).sum(-1) / std::sqrt(8.0);
  EXPECT_TRUE(close(f(queries(at::kFloat), keys(at::kFloat)), expected,
                    Tolerance::of(at::kFloat).reduction(kHeadDim).chain(4)));
}

}  // namespace
}  // namespace ingot::testing
