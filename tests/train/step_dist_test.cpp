// A step that several ranks take together.

#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "dist/threads.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

TEST(StepOfRanks, NoNumberOnOneRankIsSkippedByAll) {
  constexpr int kRanks = 3;
  const Families families = make_families();
  const auto config = tiny_config(families);
  std::vector<at::Tensor> weights(kRanks);
  const auto thrown = run_threads(kRanks, [&](World& world) {
    auto setup = allocated_setup(config, families, kVocab, at::kFloat);
    TrainStep step(setup, world);
    const auto gradients = [&] { return setup.store->flat_grads(); };
    const auto masters = [&] { return setup.store->flat_masters().clone(); };
    const auto take = [&](std::uint64_t seed, bool poisoned) {
      const auto rank = static_cast<std::uint64_t>(world.rank());
      step.accumulate(random_batch(2, 32, kVocab, 10 * seed + rank));
      if (poisoned && world.rank() == 1) gradients()[7].fill_(std::numeric_limits<float>::quiet_NaN());
      return step.finish(1);
    };
    const auto start = masters();
    EXPECT_FALSE(take(1, true).applied);
    EXPECT_TRUE(at::equal(masters(), start));
    EXPECT_EQ(gradients().count_nonzero().item<std::int64_t>(), 0);  // nothing of it is left
    const auto good = take(2, false);
    EXPECT_TRUE(good.applied);
    EXPECT_TRUE(std::isfinite(good.grad_norm));
    EXPECT_FALSE(at::equal(masters(), start));
    weights[static_cast<std::size_t>(world.rank())] = masters();
  });
  expect_no_error(thrown);
  for (const auto& other : weights) EXPECT_TRUE(at::equal(other, weights[0]));
}

}  // namespace
}  // namespace ingot
