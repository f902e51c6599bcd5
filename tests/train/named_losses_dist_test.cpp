// Noise, named losses and penalties in a step that ranks take together.

#include <gtest/gtest.h>

#include "base/text.h"
#include "dist/threads.h"
#include "train/families.h"
#include "train/make_setup.h"
#include "train/noisy_norm.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

/// Three steps over four rows, of which each rank takes its part; the last result.
StepResult train(World& world, const Families& families, const std::string& shard) {
  const auto config =
      noisy_config(families, {"model.d_model=64", "train.z_loss=0.01", "distributed.bucket=300 kB",
                              cat("distributed.shard=", shard), "weights.penalties=[{type: norm_loss, weight: 0.02}]",
                              "train.micro_batch=1", "optim.optimizer={type: sgd, lr: 0.05, momentum: 0.9}"});
  DataFacts facts{kVocab, 100000, world.size(), world.size(), world.rank()};
  facts.measure = Measure::kNothing;
  auto setup = make_setup(config, families, facts);
  setup.store->allocate();
  setup.optimizer->allocate();
  TrainStep step(setup, world);
  setup.store->initialise(1);
  step.refresh_weights();
  const std::int64_t rows = 4 / world.size();
  StepResult result;
  for (int i = 1; i <= 3; ++i) {
    const auto batch = random_batch(4, 32, kVocab, static_cast<std::uint64_t>(i));
    for (std::int64_t row = 0; row < rows; ++row) {
      step.accumulate(rows_of(batch, world.rank() * rows + row, 1), row + 1 == rows);
    }
    result = step.finish(i);
    EXPECT_TRUE(result.applied);
  }
  return result;
}

TEST(NamedLossesOfRanks, AreThoseOfOneProcess) {
  const Families families = make_families();
  World alone;
  const auto expected = train(alone, families, "none");
  ASSERT_EQ(expected.terms.size(), 3u);
  for (const std::string shard : {"none", "optimizer", "gradients"}) {
    std::vector<StepResult> results(2);
    expect_no_error(run_threads(
        2, [&](World& world) { results[static_cast<std::size_t>(world.rank())] = train(world, families, shard); },
        120));
    for (const auto& result : results) {
      EXPECT_NEAR(result.loss, expected.loss, 1e-5 * expected.loss) << shard;
      EXPECT_NEAR(result.grad_norm, expected.grad_norm, 1e-4 * expected.grad_norm) << shard;
      ASSERT_EQ(result.terms.size(), expected.terms.size());
      for (std::size_t i = 0; i < expected.terms.size(); ++i) {
        EXPECT_EQ(result.terms[i].name, expected.terms[i].name);
        EXPECT_EQ(result.terms[i].value, results[0].terms[i].value) << "the same on all ranks";
        EXPECT_NEAR(result.terms[i].value, expected.terms[i].value, 1e-5 * expected.terms[i].value)
            << shard << " " << expected.terms[i].name;
      }
    }
  }
}

}  // namespace
}  // namespace ingot
