#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

TEST(Gpt2, ScalesWhatWritesTheStreamByTheRootOfTheBranches) {
  const auto config = weights_config("init: {type: gpt2, std: 0.1}");
  const auto init = config.init.entry().make(config.init.settings(), InitContext{16});
  ParamInfo reads, writes;
  reads.shape = writes.shape = {8, 8};
  reads.roles = Role::kReadsStream;
  writes.roles = Role::kWritesStream;
  at::Tensor a = at::empty({8, 8}, at::kDouble), b = at::empty({8, 8}, at::kDouble);
  RandomStream random_a(1, "x"), random_b(1, "x");
  init->fill(a, reads, random_a);
  init->fill(b, writes, random_b);
  EXPECT_TRUE(close(b, a / 4, Tolerance::of(at::kDouble)));
  EXPECT_EQ(init->text(reads), "normal(0, 0.1)");
  EXPECT_EQ(init->text(writes), "normal(0, 0.025)");
}

}  // namespace
}  // namespace ingot::testing
