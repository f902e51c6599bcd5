#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(Prores, DeeperBlocksJoinLater) {
  const auto built = build_residual("{type: prores, updates: 10, first_update: 1}");
  const at::Tensor x = hidden(1), branch = hidden(2);
  Pass pass;
  const auto share = [&](int depth) {
    const at::Tensor y = built.rule->end(built.rule->join(depth, built.rule->begin(x), branch, pass));
    return ((y - x) / branch).mean().item<double>();
  };
  // Update 1 of 10 for the first block, of 20 for the second.
  EXPECT_NEAR(share(0), 0.1, 1e-12);
  EXPECT_NEAR(share(1), 0.1, 1e-12);
  EXPECT_NEAR(share(2), 0.05, 1e-12);
  pass.point.updates = 14;
  EXPECT_NEAR(share(0), 1, 1e-12);
  EXPECT_NEAR(share(3), 0.75, 1e-12);
  pass.point.updates = 28;
  EXPECT_NEAR(share(3), 1, 1e-12);
}

TEST(Prores, CountsAsTheReleaseUnlessToldOtherwise) {
  const auto built = build_residual("{type: prores, updates: 10}");
  const at::Tensor x = hidden(1), branch = hidden(2);
  const auto share = [&](const Pass& pass) {
    const at::Tensor y = built.rule->end(built.rule->join(0, built.rule->begin(x), branch, pass));
    return ((y - x) / branch).mean().item<double>();
  };
  Pass pass;
  EXPECT_EQ(share(pass), 0);
  pass.point.updates = 1;
  EXPECT_NEAR(share(pass), 0.1, 1e-12);
}

}  // namespace
}  // namespace ingot::testing
