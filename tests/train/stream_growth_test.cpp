// How the variance of the stream grows with the depth at the start, by placement.

#include <ATen/core/TensorBody.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "eval/batch_tensors.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

class StreamGrowth : public ::testing::Test {
 protected:
  TrainSetup model(const std::string& placement, int blocks, const std::string& final_norm = "rms_norm") {
    const auto config = tiny_config(
        families, {cat("model.layers=", blocks, "x(AF)"), cat("model.placement=", placement), "model.d_model=64",
                   "model.sites.final=" + final_norm, "model.meta_tokens=0", "weights.init={type: normal, std: 0.2}"});
    return allocated_setup(config, families, kVocab);
  }
  /// Mean square of the stream behind each of 12 blocks of two sub-layers.
  std::vector<double> variances(const std::string& placement) {
    const auto all = model(placement, 12).model->stream_mean_squares(tokens, {});
    EXPECT_EQ(all.size(), 25u);
    std::vector<double> out;
    for (std::size_t i = 2; i < all.size(); i += 2) out.push_back(all[i]);
    return out;
  }
  at::Tensor tokens = to_tensors(random_batch(4, 32, kVocab, 7), false).tokens;
  Families families = make_families();
};

TEST_F(StreamGrowth, IsThatOfShorterModels) {
  // Start values go by name, so that a shorter model is the beginning of a longer one; without a final norm it gives
  // the stream itself.
  for (const char* placement : {"pre", "peri", "post"}) {
    const auto all = model(placement, 3).model->stream_mean_squares(tokens, {});
    for (int blocks = 1; blocks <= 3; ++blocks) {
      const auto shorter = model(placement, blocks, "none");
      const c10::AutoGradMode no_grad(false);
      const double expected = shorter.model->forward(tokens, {}, false).square().mean().item<double>();
      EXPECT_NEAR(all[static_cast<std::size_t>(2 * blocks)], expected, 1e-12 * expected) << placement << blocks;
    }
  }
}

TEST_F(StreamGrowth, IsConstantUnderPostNorm) {
  for (const double variance : variances("post")) EXPECT_NEAR(variance, 1, 1e-4);
}

TEST_F(StreamGrowth, IsOneForEveryNormalisedBranchUnderPeriNorm) {
  // Each of two branches a block adds unit variance: 1 + 2 l where they were uncorrelated with the stream.
  const auto v = variances("peri");
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double blocks = static_cast<double>(i + 1);
    EXPECT_GT(v[i], 1 + blocks) << i;
    EXPECT_LT(v[i], 1 + 4 * blocks) << i;
  }
}

TEST_F(StreamGrowth, FollowsTheWeightsUnderPreNormAndNotUnderPeriNorm) {
  // The weights here give branches more than unit variance: without an output norm the stream takes it on.
  const auto pre = variances("pre"), peri = variances("peri"), post = variances("post");
  EXPECT_GT(pre.back() - pre.front(), 2 * (peri.back() - peri.front()));
  EXPECT_GT(peri.back(), 5 * post.back());
}

TEST_F(StreamGrowth, IsSlowerWhereLaterBlocksAreScaledDown) {
  EXPECT_LT(variances("layernorm_scaling").back(), variances("pre").back() / 2);
  EXPECT_LT(variances("depth_scaled_sandwich").back(), variances("sandwich").back() / 2);
}

}  // namespace
}  // namespace ingot
