// Kills, stops and resumes of real runs.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/files.h"
#include "checkpoint/checkpoint.h"
#include "cli/program.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;

class Resume : public Program {
 protected:
  std::vector<std::string> train(const std::string& name, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"train",
                                       tiny(),
                                       "run.name=" + name,
                                       "train.duration=60 steps",
                                       "checkpoint.every=7 steps",
                                       "checkpoint.keep_last=3",
                                       "log.every=1 steps"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return command(arguments);
  }
  fs::path run_dir(const std::string& name) const { return folder / ("runs/" + name); }
  std::string weights(const std::string& name) const {
    return read_file(checkpoint_path(run_dir(name), 60) / "model-00001.safetensors") +
           read_file(checkpoint_path(run_dir(name), 60) / "optimizer-00001.safetensors");
  }
  /// A run that goes on from step 56 of 60 ends as the one did whose last checkpoint is damaged.
  void expect_to_go_on(const std::string& name, const std::vector<std::string>& model) const {
    ASSERT_EQ(run_process(train(name, model), folder.path()).exit_code, 0);
    const auto expected = weights(name);
    const auto file = checkpoint_path(run_dir(name), 60) / "model-00001.safetensors";
    write_raw(file, read_file(file) + "x");
    const auto result = run_process(train(name, model), folder.path());
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(has(result.err, "passing over", "step 56"));
    EXPECT_EQ(weights(name), expected);
  }
  std::vector<double> losses(const std::string& name) const {
    std::vector<double> out;
    for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
      if (line.at("kind") == "train") out.push_back(line.at("loss").get<double>());
    }
    return out;
  }
};

TEST_F(Resume, KilledAtTenRandomMomentsARunEndsWithTheBitsOfAnUndisturbedOne) {
  ASSERT_EQ(run_process(train("whole"), folder.path()).exit_code, 0);
  std::mt19937 random(20240611);
  std::uniform_int_distribution<int> moment(150, 600);
  int kills = 0;
  for (int attempt = 0; attempt < 60 && kills < 10; ++attempt) {
    // Slowed down by saving at every step, so that kills meet saves.
    Process process(train("killed", {"checkpoint.every=1 steps"}), folder.path());
    if (process.ended_within(moment(random) / 1000.0)) {
      ASSERT_EQ(process.wait().exit_code, 0);
      break;
    }
    process.signal(SIGKILL);
    EXPECT_EQ(process.wait().exit_code, 128 + SIGKILL);
    ++kills;
  }
  EXPECT_GE(kills, 3);
  const auto last = run_process(train("killed", {"checkpoint.every=1 steps"}), folder.path());
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(weights("killed"), weights("whole"));
  EXPECT_EQ(losses("killed"), losses("whole"));
}

TEST_F(Resume, ARequestToStopSavesAndLeavesWith75) {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    const auto name = "stopped" + std::to_string(signal);
    Process process(train(name, {"train.duration=100000 steps", "checkpoint.every=100000 steps"}), folder.path());
    while (!fs::exists(run_dir(name) / "metrics.jsonl") && !process.ended_within(0.05)) continue;
    process.ended_within(0.3);
    process.signal(signal);
    ASSERT_TRUE(process.ended_within(60));
    const auto result = process.wait();
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_EQ(list_checkpoints(run_dir(name)).size(), 1u);
    EXPECT_TRUE(has(ingot({"status", "runs/" + name}).out, "stopped"));
  }
}

TEST_F(Resume, StopCommandAndTimeLimitStopToo) {
  Process process(train("asked", {"train.duration=100000 steps"}), folder.path());
  while (ingot({"stop", "runs/asked"}).exit_code != 0 && !process.ended_within(0.05)) continue;
  ASSERT_TRUE(process.ended_within(60));
  EXPECT_EQ(process.wait().exit_code, 75);
  const auto limited =
      run_process(train("limited", {"train.duration=100000 steps", "train.time_limit=1 s"}), folder.path());
  EXPECT_EQ(limited.exit_code, 75) << limited.err;
}

TEST_F(Resume, AFinishedRunSaysSoAndNeverRefuses) {
  ASSERT_EQ(run_process(train("once"), folder.path()).exit_code, 0);
  const auto start = std::chrono::steady_clock::now();
  const auto again = run_process(train("once"), folder.path());
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_TRUE(has(again.err, "is finished"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  const auto never = run_process(train("once", {"--resume", "never"}), folder.path());
  EXPECT_EQ(never.exit_code, 2);
  EXPECT_TRUE(has(never.err, "holds a run already"));
}

TEST_F(Resume, AChangedNumericFieldIsRefusedByName) {
  Process process(train("changed", {"train.time_limit=0.5 s", "train.duration=5000 steps"}), folder.path());
  ASSERT_EQ(process.wait().exit_code, 75);
  const auto changed =
      run_process(train("changed", {"train.duration=5000 steps", "optim.optimizer.lr=2e-2"}), folder.path());
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_TRUE(has(changed.err, "optim.optimizer.lr", "was 0.01, now 0.02"));
  const auto layout = run_process(
      train("changed", {"train.duration=5000 steps", "train.micro_batch=4", "train.time_limit=0.2 s"}), folder.path());
  EXPECT_EQ(layout.exit_code, 75) << layout.err;
  EXPECT_TRUE(has(layout.err, "not bit-exact", "micro_batch"));
}

TEST_F(Resume, ABrokenCheckpointIsPassedOver) {
  ASSERT_EQ(run_process(train("broken"), folder.path()).exit_code, 0);
  const auto file = checkpoint_path(run_dir("broken"), 60) / "model-00001.safetensors";
  auto bytes = read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  write_raw(file, bytes);
  const auto result = run_process(train("broken"), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "passing over", "step-00000060", "step 56"));
}

TEST_F(Resume, WhatGoesByTheNumberOfUpdatesGoesOnFromIt) {
  expect_to_go_on("course", {"model.residual={type: prores, updates: 50}",
                             "model.norm={type: frozen_norm, freeze: {at: 58}, penalty: 0.01}"});
}

TEST_F(Resume, StatesOfParametrizationsAndPenaltiesAndNoiseGoOn) {
  expect_to_go_on("kept", {"weights.parametrization=sigma_reparam",
                           "weights.penalties=[{type: spectral_regularization, weight: 0.01}, {type: l2_init, weight: "
                           "0.01}, {type: wasserstein_init, weight: 0.01}]",
                           "model.operators.F.ffn={type: mlp, activation: {type: selu, dropout: 0.1}}"});
}

TEST_F(Resume, BatchesAndRowsThatGrowGoOnWhereTheyWere) {
  const std::vector<std::string> growing{
      "train.batch_warmup=[{batch: 1 sequences, until: 20 steps}, {batch: 64 tokens, until: 3000 tokens}]",
      "train.context_warmup=[{length: 8, until: 30 steps}, {length: 16, until: 58 steps}]",
      "optim.schedule={type: cosine, warmup: 1000 tokens}", "optim.clip={type: zclip, warmup: 58}", "log.samples=true"};
  ASSERT_EQ(run_process(train("growing", growing), folder.path()).exit_code, 0);
  const auto expected = weights("growing");
  // 20 updates of 1 row, 37 of 2 rows to 94 of them, 3 of 4 rows.
  EXPECT_EQ(read_state(checkpoint_path(run_dir("growing"), 60)).at("samples_consumed"), 20 + 74 + 12);
  const auto file = checkpoint_path(run_dir("growing"), 60) / "model-00001.safetensors";
  write_raw(file, read_file(file) + "x");
  const auto result = run_process(train("growing", growing), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "passing over", "step 56"));
  EXPECT_EQ(weights("growing"), expected);
}

TEST_F(Resume, AnotherScheduleMayTakeOverFromWhereTheRunIs) {
  const auto with = [&](const std::string& schedule) { return train("ended", {"optim.schedule=" + schedule}); };
  ASSERT_EQ(run_process(with("{type: cosine, warmup: 5 steps}"), folder.path()).exit_code, 0);
  fs::remove_all(checkpoint_path(run_dir("ended"), 60));
  const std::string decay =
      "{type: override_decay, before: {type: cosine, warmup: 5 steps}, final_ratio: 0.001, from: ";
  const auto earlier = run_process(with(decay + "50 steps}"), folder.path());
  EXPECT_EQ(earlier.exit_code, 2);
  EXPECT_TRUE(has(earlier.err, "optim.schedule would have given other learning rates", "at update 52")) << earlier.err;
  const auto result = run_process(with(decay + "56 steps}"), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "other schedules of the learning rate", "the 56 steps so far")) << result.err;
}

TEST_F(Resume, ARunDirectoryInUseIsRefused) {
  Process first(train("shared", {"train.duration=100000 steps"}), folder.path());
  while (!fs::exists(run_dir("shared") / "metrics.jsonl") && !first.ended_within(0.05)) continue;
  const auto second = run_process(train("shared", {"train.duration=100000 steps"}), folder.path());
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_TRUE(has(second.err, "runs/shared"));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 75);
}

TEST_F(Resume, StartFromBeginsANewRunFromWeightsOrAll) {
  ASSERT_EQ(run_process(train("base"), folder.path()).exit_code, 0);
  for (const char* load : {"weights", "all"}) {
    const auto name = std::string("from_") + load;
    const auto result = run_process(train(name, {"train.duration=2 steps", "train.start_from.path=runs/base",
                                                 std::string("train.start_from.load=") + load}),
                                    folder.path());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_LT(losses(name).front(), losses("base").front() - 1);
  }
}

}  // namespace
}  // namespace ingot
