// Ranks that save what each owns.

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/sample_state.h"
#include "checkpoint/saver.h"
#include "checkpoint/saving_ranks.h"
#include "dist/threads.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kRows = 12, kColumns = 5;

at::Tensor weight(std::int64_t step) { return at::arange(kRows * kColumns, at::kFloat).view({kRows, kColumns}) + step; }

/// Rank r of n owns rows [r, r+1)·12/n of a matrix and of its moments; the last rank owns a gain.
CheckpointState state_of(int rank, int world, std::int64_t step) {
  const auto first = kRows * rank / world, last = kRows * (rank + 1) / world;
  const auto part = [&](std::int64_t shift) { return weight(step + shift).narrow(0, first, last - first); };
  const std::vector<std::int64_t> shape{kRows, kColumns};
  CheckpointState out;
  out.step = step;
  out.model.emplace_back("matrix", part(0), shape, first * kColumns);
  const bool has_gain = rank == world - 1;
  out.model.emplace_back("gain", has_gain ? at::arange(kColumns, at::kFloat) : at::Tensor(),
                         std::vector<std::int64_t>{kColumns}, 0);
  out.optimizer.emplace_back("exp_avg/matrix", part(100), shape, first * kColumns);
  out.config_yaml = "run: {}\n";
  return out;
}

void save_on_all(const fs::path& run, int world_size, std::int64_t step) {
  expect_no_error(run_threads(world_size, [&](World& world) {
    SavingRanks ranks(world);
    ranks.next();
    EXPECT_EQ(save_checkpoint(run, state_of(world.rank(), world.size(), step), {}, &ranks), checkpoint_path(run, step));
  }));
}

TEST(SavingRanks, AnyOtherWorldReadsWhatTheyWrote) {
  for (const int writers : {2, 3}) {
    const TempDir run;
    save_on_all(run.path(), writers, 7);
    const auto dir = checkpoint_path(run.path(), 7);
    EXPECT_EQ(find_damage(dir), "");
    for (const int readers : {1, 2, 4}) {
      for (int rank = 0; rank < readers; ++rank) {
        auto target = state_of(rank, readers, 0);
        load_checkpoint(dir, LoadWhat::kAll, target.model, target.optimizer);
        const auto expected = state_of(rank, readers, 7);
        EXPECT_TRUE(at::equal(target.model[0].tensor, expected.model[0].tensor));
        EXPECT_TRUE(at::equal(target.optimizer[0].tensor, expected.optimizer[0].tensor));
      }
    }
  }
}

TEST(SavingRanks, ALostPartIsNamed) {
  const TempDir run;
  save_on_all(run.path(), 2, 7);
  const auto dir = checkpoint_path(run.path(), 7);
  fs::remove(dir / "model-00002.safetensors");
  EXPECT_NE(find_damage(dir).find("model-00002.safetensors is missing"), std::string::npos);
}

TEST(SavingRanks, WhereOneCannotWriteNoneHasSaved) {
  const TempDir run;
  save_on_all(run.path(), 2, 7);
  const auto thrown = run_threads(2, [&](World& world) {
    SavingRanks ranks(world);
    ranks.next();
    auto state = state_of(world.rank(), world.size(), 8);
    // A name that the format reserves cannot be written.
    if (world.rank() == 1) state.model.emplace_back("__metadata__", at::zeros({2}));
    save_checkpoint(run.path(), state, {}, &ranks);
  });
  for (const auto& text : thrown) {
    EXPECT_NE(text.find("cannot save step 8"), std::string::npos) << text;
    EXPECT_NE(text.find("rank 1 ("), std::string::npos) << text;
  }
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000007"});
}

TEST(SavingRanks, APartThatTheFirstRankDoesNotSeeFailsTheSave) {
  const TempDir run;
  save_on_all(run.path(), 2, 7);
  const auto thrown = run_threads(2, [&](World& world) {
    SavingRanks ranks(world);
    ranks.next();
    if (world.rank() == 0) {
      save_checkpoint(run.path(), state_of(0, 2, 8), {}, &ranks);
    } else {
      ranks.folder();
      ranks.report({{"model-00002.safetensors", {100, "ab"}}}, "");  // on a file system of its own
      ranks.wait_for_end();
    }
  });
  for (const auto& text : thrown) EXPECT_TRUE(has(text, "cannot save step 8", "model-00002.safetensors is missing"));
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000007"});
}

TEST(SavingRanks, SaversWriteInTheBackgroundAndOneLooksAfterWhatExists) {
  const TempDir run;
  expect_no_error(run_threads(2, [&](World& world) {
    SaverOptions options;
    options.run_dir = run.path();
    options.retention.keep_last = 2;
    world.wait_for_all();
    CheckpointSaver saver(options, std::make_unique<SavingRanks>(world));
    for (const std::int64_t step : {1, 2, 3}) saver.save(state_of(world.rank(), world.size(), step));
    saver.wait();
    world.wait_for_all();
    EXPECT_EQ(saver.last()->step, 3);
  }));
  EXPECT_EQ(names_in(run / "checkpoints"), (Names{"step-00000002", "step-00000003"}));
}

}  // namespace
}  // namespace ingot
