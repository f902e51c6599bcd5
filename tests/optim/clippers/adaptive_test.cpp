#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// The gradient of W [2, 3] after clipping.
at::Tensor clipped(const std::string& yaml, RoleSet roles, double scale = 1) {
  ParamInfo info;
  info.roles = roles;
  Master master;
  master.param = &info;
  master.shape = {2, 3};
  master.value = at::tensor({.5, -.3, .8, -.2, .1, .4}, at::kDouble).view({2, 3});
  master.grad = at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}) / scale;
  const auto clipper = read_clipper(yaml);
  const auto made = clipper.entry().make(clipper.settings());
  EXPECT_TRUE(made->clips_units());
  EXPECT_EQ(made->granularity(master), Granularity::kRow);
  made->clip_units_of(master, scale);
  return master.grad * scale;
}

TEST(AdaptiveClipping, BoundsRowsByTheirWeights) {
  const at::Tensor expected =
      at::tensor({.0026458, -.0052915, .0079373, .0020889, .0026112, -.0031334}, at::kDouble).view({2, 3});
  for (const double scale : {1.0, 0.25}) {
    const at::Tensor g = clipped("{type: adaptive, ratio: 0.01}", Role::kInner, scale);
    EXPECT_LT((g - expected).abs().max().item<double>(), 6e-8) << scale;  // expected has seven digits
  }
}

TEST(AdaptiveClipping, LeavesSmallGradientsAndTheHead) {
  const at::Tensor g = at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3});
  EXPECT_TRUE(same_bits(clipped("{type: adaptive, ratio: 3}", Role::kInner), g));
  EXPECT_TRUE(same_bits(clipped("{type: adaptive, ratio: 0.01}", Role::kHead), g));
  EXPECT_FALSE(same_bits(clipped("{type: adaptive, ratio: 0.01, head: true}", Role::kHead), g));
  EXPECT_FALSE(same_bits(clipped("{type: adaptive, ratio: 0.01}", {Role::kHead, Role::kEmbedding}), g));
}

}  // namespace
}  // namespace ingot::testing
