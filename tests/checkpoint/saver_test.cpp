#include "checkpoint/saver.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "checkpoint/sample_state.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::holds_sample;
using testing::Names;
using testing::names_in;
using testing::sample_state;
using testing::TempDir;
using testing::write_raw;
using Steps = std::vector<std::int64_t>;

Steps steps_in(const fs::path& run_dir) {
  Steps steps;
  for (const auto& checkpoint : list_checkpoints(run_dir)) steps.push_back(checkpoint.step);
  return steps;
}

TEST(Retention, KeepsTheLast) {
  EXPECT_EQ(expendable_steps({100, 200, 300}, 300, {.keep_last = 2}, {}), (Steps{100}));
  EXPECT_EQ(expendable_steps({100, 200, 300}, 300, {.keep_last = 1}, {}), (Steps{100, 200}));
  EXPECT_EQ(expendable_steps({100}, 100, {.keep_last = 5}, {}), Steps{});
  EXPECT_EQ(expendable_steps({}, 100, {.keep_last = 1}, {}), Steps{});
}

TEST(Retention, NeverRemovesTheOneJustSaved) {
  EXPECT_EQ(expendable_steps({100, 200}, 200, {.keep_last = 0}, {}), (Steps{100}));
  // Newer ones belong to another path: they neither count nor go.
  EXPECT_EQ(expendable_steps({500, 600, 1000, 1500}, 600, {.keep_last = 1}, {}), (Steps{500}));
}

TEST(Retention, KeepsOneOfEachStretch) {
  EXPECT_EQ(expendable_steps({200, 400, 1000, 1200, 2000, 2200, 2400}, 2400, {.keep_last = 1, .keep_every = 1000}, {}),
            (Steps{200, 400, 1200, 2200}));
  // Saves by wall time hit no round step.
  EXPECT_EQ(expendable_steps({950, 1150, 1350, 3010, 3400}, 3400, {.keep_last = 1, .keep_every = 1000}, {}),
            (Steps{950, 1350}));
}

TEST(Retention, KeepsTheBest) {
  EXPECT_EQ(expendable_steps({100, 200, 300}, 300, {.keep_last = 1, .keep_best = true}, 100), (Steps{200}));
  EXPECT_EQ(expendable_steps({100, 200, 300}, 300, {.keep_last = 1, .keep_best = false}, 100), (Steps{100, 200}));
}

class SaverModes : public ::testing::TestWithParam<bool> {};

TEST_P(SaverModes, SavesAndRemovesOld) {
  const TempDir run;
  CheckpointSaver saver({run.path(), GetParam(), {.keep_last = 2, .keep_every = 300}});
  EXPECT_FALSE(saver.last());
  for (std::int64_t step = 100; step <= 700; step += 100) saver.save(sample_state(step));
  saver.wait();
  EXPECT_EQ(steps_in(run.path()), (Steps{300, 600, 700}));
  for (const auto& checkpoint : list_checkpoints(run.path())) EXPECT_TRUE(holds_sample(checkpoint.path));
  ASSERT_TRUE(saver.last());
  EXPECT_EQ(saver.last()->step, 700);
  EXPECT_EQ(saver.last()->path, run / "checkpoints/step-00000700");
  EXPECT_GT(saver.last()->bytes, 0);
  EXPECT_GE(saver.last()->total_seconds, saver.last()->stall_seconds);
  EXPECT_EQ(names_in(run / "checkpoints"), (Names{"step-00000300", "step-00000600", "step-00000700"}));
}

TEST_P(SaverModes, HoldsTheStateOfTheCall) {
  const TempDir run;
  CheckpointSaver saver({run.path(), GetParam(), {}});
  CheckpointState state = sample_state(1);
  for (std::int64_t step = 1; step < 30; ++step) {
    const CheckpointState next = sample_state(step);
    for (std::size_t i = 0; i < next.model.size(); ++i) state.model[i].tensor.copy_(next.model[i].tensor);
    for (std::size_t i = 0; i < next.optimizer.size(); ++i) state.optimizer[i].tensor.copy_(next.optimizer[i].tensor);
    state.step = step;
    state.state = next.state;
    saver.save(state);
    // Training goes on at once.
    for (auto& saved : state.model) saved.tensor.fill_(-1);
    for (auto& saved : state.optimizer) saved.tensor.fill_(-1);
    if (step % 10 != 0) continue;
    saver.wait();
    EXPECT_TRUE(holds_sample(saver.last()->path)) << step;
  }
}

TEST_P(SaverModes, KeepsWhatItResumedFromUntilANewerOneIsSaved) {
  const TempDir run;
  save_checkpoint(run.path(), sample_state(100));
  {
    CheckpointSaver saver({run.path(), GetParam(), {.keep_last = 1}});
    EXPECT_TRUE(holds_sample(run / "checkpoints/step-00000100"));
    CheckpointState impossible = sample_state(150);
    impossible.model.emplace_back("huge", impossible.model[0].tensor.view({1, -1}).expand({1LL << 41, -1}));
    // Staging would not fit either, so only the synchronous way gets as far as the disk.
    if (!GetParam()) {
      EXPECT_THROW(saver.save(impossible), CheckpointError);
      EXPECT_EQ(steps_in(run.path()), Steps{100});
    }
    saver.save(sample_state(200));
  }
  EXPECT_EQ(steps_in(run.path()), Steps{200});
}

INSTANTIATE_TEST_SUITE_P(Modes, SaverModes, ::testing::Values(false, true),
                         [](const auto& param) { return param.param ? "Async" : "Sync"; });

TEST(CheckpointSaver, RemovesWhatKillsLeftBehind) {
  const TempDir run;
  save_checkpoint(run.path(), sample_state(100));
  fs::create_directories(run / "checkpoints/.tmp-step-00000200-17-0");
  write_raw(run / "checkpoints/.tmp-step-00000200-17-0/model-00001.safetensors", "half");
  fs::create_directories(run / "checkpoints/.tmp-removed-step-00000001");
  write_raw(run / "checkpoints/evaluations.json.tmp-17-3", "half");
  const CheckpointSaver saver({run.path(), true, {}});
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000100"});
}

TEST(CheckpointSaver, KeepsTheBestOverRestarts) {
  const TempDir run;
  const SaverOptions options{run.path(), false, {.keep_last = 1, .keep_best = true}};
  {
    CheckpointSaver saver(options);
    saver.note_evaluation(100, 2.0);  // before its checkpoint
    saver.save(sample_state(100));
    saver.save(sample_state(200));
    saver.note_evaluation(200, 1.5);  // after it
    saver.note_evaluation(250, 0.1);  // never saved
    saver.save(sample_state(300));
    saver.note_evaluation(300, std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(saver.best_step(), 200);
  }
  {
    CheckpointSaver saver(options);
    EXPECT_EQ(saver.best_step(), 200);
    saver.save(sample_state(400));
    EXPECT_EQ(steps_in(run.path()), (Steps{200, 400}));
    saver.note_evaluation(400, 1.0);
    saver.save(sample_state(500));
    EXPECT_EQ(steps_in(run.path()), (Steps{400, 500}));
  }
  write_raw(run / "checkpoints/evaluations.json", "[{\"step\":");
  EXPECT_EQ(CheckpointSaver(options).best_step(), std::nullopt);
}

TEST(CheckpointSaver, RewindsToAnEarlierStep) {
  const TempDir run;
  CheckpointSaver saver({run.path(), true, {.keep_last = 3, .keep_best = true}});
  for (const std::int64_t step : {100, 200, 300}) {
    saver.save(sample_state(step));
    saver.note_evaluation(step, 1.0 / static_cast<double>(step));
  }
  EXPECT_EQ(saver.rewind(100).size(), 2U);
  EXPECT_EQ(steps_in(run.path()), Steps{100});
  EXPECT_EQ(saver.best_step(), 100);
  saver.save(sample_state(200));
  saver.wait();
  EXPECT_EQ(steps_in(run.path()), (Steps{100, 200}));
  EXPECT_EQ(saver.best_step(), 100);
}

TEST(CheckpointSaver, BrokenCheckpointsNeitherCountNorGo) {
  const TempDir run;
  CheckpointSaver saver({run.path(), false, {.keep_last = 2}});
  saver.save(sample_state(100));
  saver.save(sample_state(200));
  fs::remove(run / "checkpoints/step-00000200/state.json");
  saver.save(sample_state(300));
  EXPECT_EQ(steps_in(run.path()), (Steps{100, 200, 300}));
  saver.save(sample_state(400));
  EXPECT_EQ(steps_in(run.path()), (Steps{200, 300, 400}));
}

}  // namespace
}  // namespace ingot
