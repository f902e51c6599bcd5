#include "train/resume.h"

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "config/dump.h"
#include "run/counters.h"
#include "support/temp_dir.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/setup.h"

namespace ingot {
namespace {

using namespace testing;

class Resume : public ::testing::Test {
 protected:
  /// A checkpoint of a run with that config.
  fs::path save(std::int64_t step, const RunConfig& config, bool finished = false) {
    CheckpointState state;
    state.step = step;
    Counters counters;
    counters.step = counters.updates = step;
    state.state = to_json(counters);
    state.state["finished"] = finished;
    state.model = {{"w", at::ones({3})}};
    state.config_yaml = dump_config(config);
    return save_checkpoint(run.path(), state);
  }
  void damage(const fs::path& checkpoint) {
    fs::resize_file(checkpoint / "model-00001.safetensors", fs::file_size(checkpoint / "model-00001.safetensors") - 1);
  }
  ResumePoint newest() { return find_resume_point(run.path(), {}).value(); }
  RunConfig config(const std::vector<std::string>& overrides = {}) { return tiny_config(families, overrides); }

  Families families = make_families();
  TempDir run;
};

TEST_F(Resume, AFolderWithoutCheckpointsIsANewRun) {
  EXPECT_FALSE(find_resume_point(run.path(), {}));
  EXPECT_FALSE(find_resume_point(run.path(), {ResumeChoice::Kind::kNever, {}}));
}

TEST_F(Resume, TakesTheNewestValidCheckpoint) {
  save(10, config());
  const auto newer = save(20, config(), /*finished=*/true);
  EXPECT_EQ(newest().step, 20);
  EXPECT_TRUE(newest().finished);
  damage(newer);
  EXPECT_EQ(newest().step, 10);
  EXPECT_FALSE(newest().finished);
}

TEST_F(Resume, NeverStartsAfreshOverDamagedCheckpoints) {
  damage(save(10, config()));
  const auto message = message_of<CheckpointError>([&] { find_resume_point(run.path(), {}); });
  EXPECT_TRUE(has(message, "none of the 1 checkpoints is valid", "step-00000010")) << message;
}

TEST_F(Resume, NeverMeansThatThereIsNoRun) {
  save(10, config());
  const auto message = message_of<ConfigError>([&] {
    find_resume_point(run.path(), {ResumeChoice::Kind::kNever, {}});
  });
  EXPECT_TRUE(has(message, "holds a run already", "--resume never")) << message;
}

TEST_F(Resume, FromANamedCheckpointThatIsNotTheNewest) {
  const auto older = save(10, config());
  save(20, config());
  EXPECT_EQ(find_resume_point(run.path(), {ResumeChoice::Kind::kFrom, older})->step, 10);
}

TEST_F(Resume, WhatIsAutoIsAsInTheCheckpoint) {
  save(10, config({"train.micro_batch=2", "train.threads=3"}));
  auto now = config({"train.micro_batch=auto", "train.threads=auto", "train.precision=auto"});
  auto point = newest();
  adopt_checkpoint_config(now, point, families);
  EXPECT_EQ(now.train.micro_batch.value(), 2);
  EXPECT_EQ(now.train.threads.value(), 3);
  EXPECT_EQ(now.train.precision, Precision::kFloat32);
  EXPECT_FALSE(point.other_duration);
  EXPECT_TRUE(point.other_files.empty());
}

TEST_F(Resume, NamesEveryChangeOfANumberAndNothingElse) {
  save(10, config());
  auto now = config({"optim.optimizer.lr=5e-3", "run.seed=7", "log.every=3 steps", "train.threads=2"});
  auto point = newest();
  const auto message = message_of<ConfigError>([&] { adopt_checkpoint_config(now, point, families); });
  EXPECT_TRUE(has(message, "optim.optimizer.lr: was 0.01, now 0.005", "run.seed: was 1, now 7", "start_from"))
      << message;
  EXPECT_FALSE(has(message, "log.every"));
  EXPECT_FALSE(has(message, "train.threads"));
}

TEST_F(Resume, OtherSchedulesOfTheRateAreNotedForLater) {
  save(10, config());
  auto point = newest();
  auto now = config({"optim.schedule={type: override_decay, from: 2 steps}"});
  adopt_checkpoint_config(now, point, families);
  ASSERT_TRUE(point.other_optim);
  EXPECT_EQ(point.other_optim->schedule.name(), "constant");
  auto moving = config({"optim.schedules={weight_decay: {schedule: linear}}"});
  const auto message = message_of<ConfigError>([&] { adopt_checkpoint_config(moving, point, families); });
  EXPECT_TRUE(has(message, "optim.schedules.weight_decay")) << message;
}

TEST_F(Resume, AnotherScheduleMustKeepTheRatesOfUpdatesThatWereTaken) {
  save(2, config());
  const auto resume = [&](const std::string& schedule) {
    auto point = newest();
    auto now = config({"optim.schedule=" + schedule});
    adopt_checkpoint_config(now, point, families);
    check_new_course(point, allocated_setup(now, families, 257));
  };
  resume("{type: override_decay, from: 2 steps}");
  const auto message = message_of<ConfigError>([&] { resume("{type: override_decay, from: 0 steps}"); });
  EXPECT_TRUE(has(message, "optim.schedule would have given other learning rates", "0.75 instead of 1", "update 2"))
      << message;
}

TEST_F(Resume, AnotherLengthAndOtherFilesAreNotedForLater) {
  save(10, config());
  auto now = config({"train.duration=9 steps", "data.train.paths=" + source_path("configs/test/tiny.yaml")});
  auto point = newest();
  adopt_checkpoint_config(now, point, families);
  ASSERT_TRUE(point.other_duration);
  EXPECT_EQ(point.other_duration->amount, 4);
  ASSERT_EQ(point.other_files.size(), 1u);
  EXPECT_TRUE(has(point.other_files[0], "data.train.paths", "tiny.txt", "tiny.yaml")) << point.other_files[0];
}

}  // namespace
}  // namespace ingot
