#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(FixNorm, IsForEmbeddingAndHeadAlone) {
  const auto p = parametrization("fix_norm");
  EXPECT_TRUE(p->applies(matrix_info(6, 4, Role::kEmbedding)));
  EXPECT_TRUE(p->applies(matrix_info(6, 4, Role::kHead)));
  EXPECT_FALSE(p->applies(matrix_info(6, 4, Role::kReadsStream)));
  EXPECT_FALSE(p->applies(matrix_info(6, 4, Role::kConv)));
  EXPECT_FALSE(p->can_assign());
}

TEST(FixNorm, RowsHaveTheLength) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const Parametrized p("{type: fix_norm, length: 3}", w), unit("weight_conditioning", w);
  const auto tolerance = Tolerance::of(at::kDouble).reduction(4);
  EXPECT_TRUE(close(p.weight().square().sum(1), at::Tensor(w.new_full({6}, 9.0)), tolerance));
  EXPECT_TRUE(close(p.weight(), 3 * unit.weight(), tolerance));
  EXPECT_TRUE(close(p.pull_back(upstream)[0], 3 * unit.pull_back(upstream)[0], tolerance));
}

}  // namespace
}  // namespace ingot::testing
