// Steps of ranks that share masters and optimizer state, against steps of ranks that each have all.

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "dist/threads.h"
#include "support/resident.h"
#include "train/families.h"
#include "train/make_setup.h"
#include "train/micro_batches.h"
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

TrainSetup make(const RunConfig& config, const Families& families, const World& world) {
  DataFacts facts{kVocab, 100000, world.size(), world.size(), world.rank()};
  facts.float_type = at::kFloat;
  facts.measure = Measure::kNothing;
  auto setup = make_setup(config, families, facts);
  setup.store->allocate();
  setup.optimizer->allocate();
  return setup;
}

Outcome train(const RunConfig& config, const Families& families, World& world) {
  auto setup = make(config, families, world);
  TrainStep step(setup, world);
  setup.store->initialise(1);
  step.refresh_weights();
  Outcome out;
  for (int i = 1; i <= kSteps; ++i) {
    const auto seed = static_cast<std::uint64_t>(100 * i + world.rank());
    const auto count = micro_batches_of(setup, 0, world).count();
    for (std::int64_t batch = 0; batch < count; ++batch) {
      const auto offset = 50 * static_cast<std::uint64_t>(batch);
      step.accumulate(random_batch(1, 32, kVocab, seed + offset), batch + 1 == count);
    }
    const auto result = step.finish(i);
    EXPECT_TRUE(result.applied);
    out.losses.push_back(result.loss);
    out.norms.push_back(result.grad_norm);
  }
  std::vector<at::Tensor> weights;
  for (const auto& leaf : setup.store->leaves()) {
    weights.push_back(leaf.weight().detach().to(at::kFloat).flatten());
  }
  for (const auto& buffer : setup.store->buffers()) weights.push_back(buffer.flatten());
  out.weights = at::cat(weights);
  out.master_bytes = setup.store->memory().masters;
  out.state_bytes = setup.optimizer->state_bytes();
  return out;
}

/// By rank; `micro_batches` of one row for all of them together in each step.
std::vector<Outcome> run(int world_size, int micro_batches, const Families& families,
                         std::vector<std::string> overrides, const std::string& shard) {
  overrides.insert(overrides.end(), {"model.d_model=128", "distributed.shard=" + shard, "distributed.bucket=300 kB",
                                     "train.micro_batch=1", cat("train.global_batch=", micro_batches, " sequences")});
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
    const auto whole = run(world_size, 2 * world_size, families, GetParam().overrides, "none");
    const auto shared = run(world_size, 2 * world_size, families, GetParam().overrides, "optimizer");
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

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"fp32", {}},
      {"bf16", {"train.precision=bf16"}},
      {"unit_norm", {"train.precision=bf16", "weights.constraints=[unit_norm]"}},
      {"weight_norm", {"train.precision=bf16", "weights.parametrization={type: weight_norm, per: row}"}},
      {"spectral_norm", {"train.precision=bf16", "weights.parametrization=spectral_norm"}},
      {"initial_norm", {"weights.constraints=[{type: initial_norm, per: row, start: 1 steps, every: 2}]"}},
      {"update_rules",
       {"weights.constraints=[{type: hyperball, match: {role: reads_stream}}, {type: rpgd, match: {role: "
        "writes_stream}}, {type: lawn, per: row, start: 1 steps, match: {role: [embedding, head]}}]"}},
      {"cautious_decay",
       {"weights.constraints=[{type: radial_brake, match: {role: reads_stream}}, {type: spectral_soft_cap, bound: 0.5, "
        "match: {role: writes_stream}}]",
        "optim.decay=cautious", "optim.optimizer.weight_decay=0.1"}},
      {"bf16_states", {"optim.state_type=bf16"}},
      {"groups", {"optim.groups=[{name: gains, match: {role: gain}, optimizer: {type: sgd, lr: 0.1, momentum: 0.9}}]"}},
      {"buffers", {"model.norm={type: power_norm, allow_leak: true}"}},
      {"frozen_norm", {"model.norm={type: frozen_norm, freeze: {at: 2}, penalty: 0.1}"}},
      {"norm_loss", {"train.precision=bf16", "weights.penalties=[{type: norm_loss, weight: 0.1}]"}},
      {"muon", {"optim.optimizer={type: muon, heads: split}"}},
      {"aro", {"optim.optimizer={type: aro, side: smaller}", "optim.others={type: sgd, lr: 0.1}"}},
      {"scale", {"train.precision=bf16", "optim.optimizer=scale"}},
      {"scion", {"optim.optimizer=scion"}},
      {"l2_init", {"weights.penalties=[{type: l2_init, weight: 0.1}]"}},
      {"sigma_reparam",
       {"train.precision=bf16", "weights.parametrization=sigma_reparam",
        "weights.penalties=[{type: spectral_regularization, weight: 0.1}, {type: wasserstein_init, weight: 0.1}]"}},
      // Optimizers that look at rows, at tensors, at all of a group, and at labels drawn from the model.
      {"adam_mini", {"optim.optimizer=adam_mini"}},
      {"mars", {"optim.optimizer={type: mars, lr: 0.01}"}},
      {"prodigy", {"optim.optimizer={type: prodigy, d0: 0.01}"}},
      {"sophia_g", {"optim.optimizer={type: sophia_g, every: 2}"}},
      {"bf16_wire", {"distributed.wire=bf16"}},
  };
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Case>& test) { return test.param.name; }

INSTANTIATE_TEST_SUITE_P(Models, ShardedSteps, ::testing::ValuesIn(cases()), name_of);

TEST(ShardedSteps, OfFactoredMatricesHaveTheBitsOfUnsharded) {
  const Families families = make_families();
  const std::vector<std::string> soap = {
      "optim.optimizer={type: soap, precondition_frequency: 1, max_precond_dim: 128}"};
  for (const int world_size : {2, 3}) {
    const auto whole = run(world_size, world_size, families, soap, "none");
    for (const auto& rank : run(world_size, world_size, families, soap, "optimizer")) {
      EXPECT_EQ(rank.losses, whole[0].losses);
      EXPECT_TRUE(at::equal(rank.weights, whole[0].weights));
      EXPECT_LT(rank.state_bytes, whole[0].state_bytes);
    }
  }
}

TEST(ShardedStore, HoldsItsShareOfTheMasters) {
  const Families families = make_families();
  const auto whole = run(3, 6, families, {"train.precision=bf16"}, "none");
  for (const auto& rank : run(3, 6, families, {"train.precision=bf16"}, "optimizer")) {
    EXPECT_LT(rank.master_bytes, whole[0].master_bytes * 4 / 10);
  }
}

class SharedGradients : public ::testing::TestWithParam<Case> {};

TEST_P(SharedGradients, OfOneMicroBatchARankHaveTheBitsOfUnsharded) {
  const Families families = make_families();
  for (const int world_size : {2, 3}) {
    const auto whole = run(world_size, world_size, families, GetParam().overrides, "none");
    for (const auto& rank : run(world_size, world_size, families, GetParam().overrides, "gradients")) {
      EXPECT_EQ(rank.losses, whole[0].losses);
      EXPECT_EQ(rank.norms, whole[0].norms);
      EXPECT_TRUE(at::equal(rank.weights, whole[0].weights));
    }
  }
}

/// On a bf16 wire what a rank owns is not rounded.
INSTANTIATE_TEST_SUITE_P(Models, SharedGradients, ::testing::ValuesIn(cases().begin(), cases().end() - 1), name_of);

TEST(SharedGradients, OfSeveralUnevenMicroBatchesAreThoseOfUnshardedUpToRounding) {
  const Families families = make_families();
  // By SGD: Adam divides by what it began with, so its first updates of small gradients magnify any rounding.
  const std::string sgd = "optim.optimizer={type: sgd, lr: 0.05, momentum: 0.9}";
  for (const bool on_bf16_wire : {false, true}) {
    std::vector<std::string> overrides = {sgd};
    if (on_bf16_wire) overrides.emplace_back("distributed.wire=bf16");
    const auto whole = run(3, 7, families, overrides, "none");
    const auto shared = run(3, 7, families, overrides, "gradients");
    const double tolerance = on_bf16_wire ? 0x1p-8 : 1e-6;
    for (const auto& rank : shared) {
      EXPECT_TRUE(at::equal(rank.weights, shared[0].weights));
      EXPECT_EQ(rank.losses, shared[0].losses);
      EXPECT_EQ(rank.losses[0], whole[0].losses[0]);
      for (std::size_t i = 0; i < kSteps; ++i) {
        EXPECT_NEAR(rank.losses[i], whole[0].losses[i], tolerance * whole[0].losses[i]);
        EXPECT_NEAR(rank.norms[i], whole[0].norms[i], tolerance * whole[0].norms[i]);
      }
    }
  }
}

TEST(SharedGradients, TakeNoMemoryOnOtherRanks) {
  const Families families = make_families();
  const auto config =
      tiny_config(families, {"model.d_model=256", "distributed.shard=gradients", "distributed.bucket=300 kB",
                             "train.precision=bf16", "train.micro_batch=1", "train.global_batch=4 sequences"});
  expect_no_error(run_threads(
      2,
      [&](World& world) {
        auto setup = make(config, families, world);
        use_small_pages(setup.store->flat_grads());
        TrainStep step(setup, world);
        setup.store->initialise(1);
        step.refresh_weights();
        const auto& grads = setup.store->flat_grads();
        const auto all = static_cast<double>(grads.nbytes());
        for (int i = 1; i <= 2; ++i) {
          step.accumulate(random_batch(1, 32, kVocab, 7), false);
          EXPECT_LT(static_cast<double>(resident_bytes(grads)), 0.65 * all);  // half, and pages at the cuts
          step.accumulate(random_batch(1, 32, kVocab, 8), true);
          EXPECT_TRUE(step.finish(i).applied);
          EXPECT_LT(static_cast<double>(resident_bytes(grads)), 0.1 * all);
        }
      },
      120));
}

}  // namespace
}  // namespace ingot
