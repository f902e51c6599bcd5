// Runs whose ranks share masters and optimizer state and save what each owns.

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <random>
#include <thread>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "cli/ranks.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class Sharded : public Ranks {
 protected:
  std::vector<double> held_out(const std::string& name) const {
    std::vector<double> out;
    for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
      if (line.at("kind") == "eval") out.push_back(line.at("loss").get<double>());
    }
    return out;
  }
  /// With matrices that are cut between ranks.
  std::vector<std::string> with(std::vector<std::string> more, const char* shard = "optimizer") const {
    more.insert(more.end(), {"model.d_model=96", cat("distributed.shard=", shard)});
    return more;
  }
};

TEST_F(Sharded, LossesHaveTheBitsOfUnsharded) {
  const std::vector<std::string> longer{"train.duration=100 steps"};
  for (const int world : {2, 4}) {
    const auto whole = cat("whole", world), shared = cat("shared", world);
    ASSERT_EQ(run_process(train_on(world, whole, with(longer, "none")), folder.path()).exit_code, 0);
    const auto result = run_process(train_on(world, shared, with(longer)), folder.path());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(losses(whole), losses(shared));
  }
}

TEST_F(Sharded, EvaluatesTheAverageOfUnsharded) {
  for (const char* precision : {"fp32", "bf16"}) {
    const std::vector<std::string> averaged{"train.duration=20 steps", "evaluation.every=6 steps",
                                            "optim.average={type: ema, decay: 0.8}",
                                            cat("train.precision=", precision)};
    const auto whole = cat("whole_", precision), shared = cat("shared_", precision);
    ASSERT_EQ(run_process(train_on(2, whole, with(averaged, "none")), folder.path()).exit_code, 0);
    const auto result = run_process(train_on(2, shared, with(averaged)), folder.path());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(losses(whole), losses(shared));
    EXPECT_EQ(held_out(whole), held_out(shared));
    // The checkpoints hold the same average, by one rank and by two.
    EXPECT_EQ(ingot({"eval", "runs/" + whole, "--ids", "1,2,3,4,5"}).out,
              ingot({"eval", "runs/" + shared, "--ids", "1,2,3,4,5"}).out);
  }
}

TEST_F(Sharded, GoesOnAtAnyWorldSharedOutOrNot) {
  const std::vector<std::string> steps{"train.duration=120 steps"};
  ASSERT_EQ(run_process(train("whole", with(steps)), folder.path()).exit_code, 0);
  int step = 0;
  for (const auto& [world, shard] : {std::pair{4, "optimizer"}, {2, "none"}, {3, "gradients"}}) {
    Process process(train_on(world, "moved", with(steps, shard)), folder.path());
    ASSERT_TRUE(reached("moved", step += 30));
    process.signal(SIGTERM);
    const auto result = process.wait();
    ASSERT_EQ(result.exit_code, 75) << result.err;
  }
  const auto result = run_process(train("moved", with(steps)), folder.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LT(largest_difference(losses("whole"), losses("moved")), 1e-6);
}

TEST_F(Sharded, GrowsInDepthAsUnshardedDoes) {
  const auto begun =
      run_process(train("small", with({"train.duration=3 steps", "model.layers=DFDF"}, "none")), folder.path());
  ASSERT_EQ(begun.exit_code, 0) << begun.err;
  const std::vector<std::string> grow{"train.duration=3 steps", "model.layers=DFDFDF",
                                      "train.start_from={path: runs/small, load: all, expand: {rule: linear}}"};
  ASSERT_EQ(run_process(train_on(2, "whole", with(grow, "none")), folder.path()).exit_code, 0);
  const auto shared = run_process(train_on(2, "shared", with(grow)), folder.path());
  ASSERT_EQ(shared.exit_code, 0) << shared.err;
  EXPECT_EQ(losses("whole"), losses("shared"));
}

TEST_F(Sharded, KillsWhileSavingLoseNothing) {
  const std::vector<std::string> often{"train.duration=60 steps", "checkpoint.every=1 steps"};
  ASSERT_EQ(run_process(train_on(3, "whole", with(often)), folder.path()).exit_code, 0);
  std::mt19937 random(7);
  int step = 0;
  for (const int rank : {1, 0, 2, 1}) {
    Process process(train_on(3, "killed", with(often)), folder.path());
    ASSERT_TRUE(reached("killed", step += 12));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
    ::kill(process_of("killed", rank), SIGKILL);
    ASSERT_EQ(process.wait().exit_code, 6);
  }
  const auto result = run_process(train_on(3, "killed", with(often)), folder.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(losses("killed"), losses("whole"));
  EXPECT_EQ(weights("killed", 60), weights("whole", 60));
}

TEST_F(Sharded, AFullDiskOnOneRankIsSaidByAllAndHarmsNothing) {
  const int port = free_port();
  const auto line =
      train("full", with({"train.duration=1000 steps", "checkpoint.every=5 steps", "checkpoint.async=false"}));
  // Rank 1 may write files of 32 KiB at most.
  std::vector<std::string> limited{"/bin/bash", "-c", "trap '' XFSZ; ulimit -f 32; exec \"$@\"", "limited"};
  limited.insert(limited.end(), line.begin(), line.end());
  const auto first = start_rank(0, 2, port, line);
  const auto second = start_rank(1, 2, port, limited);
  const auto said = first->wait(), other = second->wait();
  EXPECT_EQ(said.exit_code, 4) << said.err;
  EXPECT_EQ(other.exit_code, 4) << other.err;
  EXPECT_TRUE(has(said.err, "cannot save step 5")) << said.err;
  EXPECT_TRUE(has(said.err, "rank 1 (")) << said.err;
  EXPECT_TRUE(list_checkpoints(run_dir("full")).empty());
  const auto result = run_process(train_on(2, "full", with({"train.duration=10 steps"})), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(Sharded, ADamagedPartIsPassedOver) {
  const std::vector<std::string> steps{"train.duration=40 steps"};
  ASSERT_EQ(run_process(train_on(2, "damaged", with(steps)), folder.path()).exit_code, 0);
  const auto before = losses("damaged");
  const auto part = checkpoint_path(run_dir("damaged"), 40) / "optimizer-00002.safetensors";
  {
    std::fstream file(part, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x55');
  }
  const auto result = run_process(train_on(2, "damaged", with(steps)), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "passing over")) << result.err;
  EXPECT_TRUE(has(result.err, "optimizer-00002.safetensors is damaged")) << result.err;
  EXPECT_EQ(losses("damaged"), before);
}

TEST_F(Sharded, AFolderThatOneRankDoesNotSeeIsRefused) {
  const int port = free_port();
  const std::map<std::string, std::string> secret{{"INGOT_SECRET", "a secret of both ranks"}};
  const auto first = start_rank(0, 2, port, train("here", with({})), secret);
  const auto second = start_rank(1, 2, port, train("here", with({"run.dir=elsewhere"})), secret);
  const auto said = first->wait();
  EXPECT_EQ(said.exit_code, 2) << said.err;
  EXPECT_TRUE(has(said.err, "rank 1 (")) << said.err;
  EXPECT_TRUE(has(said.err, "elsewhere")) << said.err;
  EXPECT_EQ(second->wait().exit_code, 2);
}

}  // namespace
}  // namespace ingot
