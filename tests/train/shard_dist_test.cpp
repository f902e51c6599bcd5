// Steps of ranks that share masters and optimizer state, against steps of ranks that each have all.

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "dist/threads.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 300;
constexpr int kSteps = 3;

struct Outcome {
  std::vector<double> losses, norms;
  at::Tensor weights;  // all compute weights, as fp32
  std::int64_t master_bytes = 0, state_bytes = 0;
};

Experiment make(const RunConfig& config, const Families& families, const World& world) {
  DataFacts facts{kVocab, 100000, world.size(), world.size(), world.rank()};
  facts.float_type = at::kFloat;
  facts.measure = Measure::kNothing;
  auto experiment = make_experiment(config, families, facts);
  experiment.store->allocate();
  experiment.optimizer->allocate();
  return experiment;
}

Outcome train(const RunConfig& config, const Families& families, World& world) {
  auto experiment = make(config, families, world);
  TrainStep step(experiment, world);
  experiment.store->initialise(1);
  step.refresh_weights();
  Outcome out;
  for (int i = 1; i <= kSteps; ++i) {
    const auto seed = static_cast<std::uint64_t>(100 * i + world.rank());
    step.accumulate(random_batch(1, 32, kVocab, seed), false);
    step.accumulate(random_batch(1, 32, kVocab, seed + 50), true);
    const auto result = step.finish(i);
    EXPECT_TRUE(result.applied);
    out.losses.push_back(result.loss);
    out.norms.push_back(result.grad_norm);
  }
  std::vector<at::Tensor> weights;
  for (const auto& leaf : experiment.store->leaves()) {
    weights.push_back(leaf.weight().detach().to(at::kFloat).flatten());
  }
  for (const auto& buffer : experiment.store->buffers()) weights.push_back(buffer.flatten());
  out.weights = at::cat(weights);
  out.master_bytes = experiment.store->memory().masters;
  out.state_bytes = experiment.optimizer->state_bytes();
  return out;
}

/// By rank.
std::vector<Outcome> run(int world_size, const Families& families, std::vector<std::string> overrides,
                         const std::string& shard) {
  overrides.insert(overrides.end(), {"model.d_model=128", "distributed.shard=" + shard, "distributed.bucket=300 kB"});
  const auto config = tiny_config(families, overrides);
  std::vector<Outcome> out(static_cast<std::size_t>(world_size));
  const auto thrown = run_threads(
      world_size, [&](World& world) { out[static_cast<std::size_t>(world.rank())] = train(config, families, world); },
      120);
  expect_no_error(thrown);
  return out;
}

struct Case {
  const char* name;
  std::vector<std::string> overrides;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class ShardedSteps : public ::testing::TestWithParam<Case> {};

TEST_P(ShardedSteps, HaveTheBitsOfUnsharded) {
  const Families families = make_families();
  for (const int world_size : {2, 3}) {
    const auto whole = run(world_size, families, GetParam().overrides, "none");
    const auto shared = run(world_size, families, GetParam().overrides, "optimizer");
    std::int64_t states = 0;
    for (const auto& rank : shared) {
      EXPECT_EQ(rank.losses, whole[0].losses);
      EXPECT_EQ(rank.norms, whole[0].norms);
      EXPECT_TRUE(at::equal(rank.weights, whole[0].weights));
      EXPECT_LT(rank.state_bytes, whole[0].state_bytes * 6 / 10);
      EXPECT_LE(rank.master_bytes, whole[0].master_bytes);
      states += rank.state_bytes;
    }
    // Nothing is kept twice; a little padding is added.
    EXPECT_NEAR(static_cast<double>(states), static_cast<double>(whole[0].state_bytes),
                0.01 * static_cast<double>(whole[0].state_bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, ShardedSteps,
    ::testing::Values(
        Case{"fp32", {}}, Case{"bf16", {"train.precision=bf16"}},
        Case{"unit_norm", {"train.precision=bf16", "weights.constraints=[unit_norm]"}},
        Case{"weight_norm", {"train.precision=bf16", "weights.parametrization={type: weight_norm, per: row}"}},
        Case{"groups",
             {"optim.groups=[{name: gains, match: {role: gain}, optimizer: {type: sgd, lr: 0.1, momentum: 0.9}}]"}},
        Case{"bf16_wire", {"distributed.wire=bf16"}},
        Case{"buffers", {"model.norm={type: power_norm, allow_leak: true}"}}),
    [](const auto& test) { return test.param.name; });

TEST(ShardedStore, HoldsItsShareOfTheMasters) {
  const Families families = make_families();
  const auto whole = run(3, families, {"train.precision=bf16"}, "none");
  for (const auto& rank : run(3, families, {"train.precision=bf16"}, "optimizer")) {
    EXPECT_LT(rank.master_bytes, whole[0].master_bytes * 4 / 10);
  }
}

}  // namespace
}  // namespace ingot
