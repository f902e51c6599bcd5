// Runs over several ranks of one machine: that they compute what one process would, agree, and fail in the open.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "cli/ranks.h"

namespace ingot {
namespace {

using namespace testing;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class DataParallel : public Ranks {};

TEST_F(DataParallel, LossesAreThoseOfOneProcess) {
  const std::vector<std::string> longer{"train.duration=100 steps"};
  ASSERT_EQ(run_process(train("w1", longer), folder.path()).exit_code, 0);
  for (const int world : {2, 4}) {
    const auto name = cat("w", world);
    const auto result = run_process(train_on(world, name, longer), folder.path());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_LT(largest_difference(losses("w1"), losses(name)), 1e-6) << name;
  }
}

TEST_F(DataParallel, ABatchThatTheWorldDoesNotDivideIsDealtUnevenly) {
  const std::vector<std::string> odd{"train.global_batch=5 sequences", "train.duration=10 steps"};
  ASSERT_EQ(run_process(train("alone", odd), folder.path()).exit_code, 0);
  ASSERT_EQ(run_process(train_on(3, "three", odd), folder.path()).exit_code, 0);
  EXPECT_LT(largest_difference(losses("alone"), losses("three")), 1e-6);
  // More ranks than micro-batches: some get none.
  const std::vector<std::string> few{"train.global_batch=2 sequences", "train.duration=10 steps"};
  ASSERT_EQ(run_process(train("alone2", few), folder.path()).exit_code, 0);
  const auto result = run_process(train_on(3, "idle", few), folder.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LT(largest_difference(losses("alone2"), losses("idle")), 1e-6);
  EXPECT_TRUE(has(result.err, "2 micro-batches for 3 ranks")) << result.err;
}

TEST_F(DataParallel, GoesOnAtAnotherWorldSize) {
  ASSERT_EQ(run_process(train("whole"), folder.path()).exit_code, 0);
  int step = 0;
  for (const int world : {4, 2, 3}) {
    step += 60;
    Process process(train_on(world, "moved"), folder.path());
    ASSERT_TRUE(reached("moved", step));
    process.signal(SIGTERM);
    const auto result = process.wait();
    ASSERT_EQ(result.exit_code, 75) << result.err;
  }
  ASSERT_EQ(run_process(train("moved"), folder.path()).exit_code, 0);
  EXPECT_LT(largest_difference(losses("whole"), losses("moved")), 1e-6);
}

TEST_F(DataParallel, ASignalToAnyRankStopsAllAfterSaving) {
  for (const int rank : {0, 2}) {
    const auto name = "stopped" + std::to_string(rank);
    Process process(train_on(3, name, {"train.duration=100000 steps", "checkpoint.every=100000 steps"}), folder.path());
    ASSERT_TRUE(reached(name, 3));
    ::kill(process_of(name, rank), SIGTERM);
    const auto result = process.wait();
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_EQ(list_checkpoints(run_dir(name)).size(), 1u);
    EXPECT_EQ(status(name).at("state"), "stopped");
  }
}

TEST_F(DataParallel, EverySampleIsUsedOnceWhateverTheWorldAndItsDeaths) {
  const std::vector<std::string> recorded{"log.samples=true", "checkpoint.every=7 steps",
                                          "train.global_batch=5 sequences", "train.duration=100 steps"};
  int step = 0;
  for (const int world : {3, 2, 4}) {
    Process process(train_on(world, "elastic", recorded), folder.path());
    ASSERT_TRUE(reached("elastic", step += 25));
    ::kill(process_of("elastic", world - 1), SIGKILL);
    ASSERT_EQ(process.wait().exit_code, 6);
  }
  ASSERT_EQ(run_process(train("elastic", recorded), folder.path()).exit_code, 0);
  const auto used = committed_samples("elastic");
  ASSERT_EQ(used.size(), 100u);
  std::int64_t next = 0;
  for (const auto& [number, samples] : used) {
    for (const auto sample : samples) ASSERT_EQ(sample, next++) << "step " << number;
  }
  EXPECT_EQ(next, 100 * 5);
}

class Faults : public Ranks {};

TEST_F(Faults, ADeadRankEndsTheRunInTheOpenAndItGoesOnToTheSameBits) {
  ASSERT_EQ(run_process(train_on(3, "whole"), folder.path()).exit_code, 0);
  int step = 0;
  for (const int rank : {1, 0, 2}) {
    Process process(train_on(3, "killed"), folder.path());
    ASSERT_TRUE(reached("killed", step += 50));
    ::kill(process_of("killed", rank), SIGKILL);
    const auto result = process.wait();
    ASSERT_EQ(result.exit_code, 6) << result.err;
    EXPECT_TRUE(has(result.err, "rank " + std::to_string(rank) + " (process ")) << result.err;
    EXPECT_TRUE(has(result.err, "was last seen at step")) << result.err;
    EXPECT_TRUE(rank != 0 || has(result.err, "has gone")) << result.err;
  }
  ASSERT_EQ(run_process(train_on(3, "killed"), folder.path()).exit_code, 0);
  EXPECT_EQ(weights("killed", 300), weights("whole", 300));
  EXPECT_EQ(losses("killed"), losses("whole"));
}

TEST_F(Faults, ARankThatIsSilentForTooLongIsNamed) {
  Process process(train_on(3, "silent", {"train.duration=100000 steps", "distributed.timeout=3 s"}), folder.path());
  ASSERT_TRUE(reached("silent", 8));
  ::kill(process_of("silent", 1), SIGSTOP);
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, 6) << result.err;
  EXPECT_TRUE(has(result.err, "rank 1 (process ")) << result.err;
  EXPECT_TRUE(has(result.err, "was last seen at step")) << result.err;
  EXPECT_EQ(status("silent").at("state"), "failed");
  EXPECT_EQ(status("silent").at("retry"), true);
}

TEST_F(Faults, WhereTheRanksMeetMayFallSilentToo) {
  Process process(train_on(2, "silent0", {"train.duration=100000 steps", "distributed.timeout=3 s"}), folder.path());
  ASSERT_TRUE(reached("silent0", 8));
  const auto first = process_of("silent0", 0);
  ::kill(first, SIGSTOP);
  EXPECT_TRUE(process.ended_within(15));  // rank 1 gives up, and then --nproc ends rank 0
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, 6) << result.err;
  EXPECT_TRUE(has(result.err, cat("rank 0 (process ", first, ") was stopped by signal 19"))) << result.err;
  EXPECT_TRUE(has(result.err, cat("rank 0 (process ", first, " on "))) << result.err;
  EXPECT_TRUE(has(result.err, "was last seen at step")) << result.err;
  EXPECT_TRUE(has(result.err, "does not answer")) << result.err;
}

TEST_F(Faults, EveryRankLeavesASilentRank0WithoutALauncher) {
  const int port = free_port();
  const auto line = train("silent1", {"train.duration=100000 steps", "distributed.timeout=3 s"});
  std::vector<std::unique_ptr<Process>> ranks;
  for (int rank = 0; rank < 3; ++rank) ranks.push_back(start_rank(rank, 3, port, line));
  ASSERT_TRUE(reached("silent1", 5));
  ranks[0]->signal(SIGSTOP);
  for (const int rank : {1, 2}) {
    EXPECT_TRUE(ranks[static_cast<std::size_t>(rank)]->ended_within(15)) << rank;
    EXPECT_EQ(ranks[static_cast<std::size_t>(rank)]->wait().exit_code, 6) << rank;
  }
  EXPECT_TRUE(has(read_file(run_dir("silent1") / "logs/rank-00001.log"), "rank 0 (process "));
}

TEST_F(Faults, AShorterPauseIsNoFault) {
  Process process(train_on(2, "pause", {"distributed.timeout=60 s"}), folder.path());
  ASSERT_TRUE(reached("pause", 5));
  const auto pid = process_of("pause", 1);
  ::kill(pid, SIGSTOP);
  EXPECT_FALSE(process.ended_within(2));
  ::kill(pid, SIGCONT);
  EXPECT_EQ(process.wait().exit_code, 0);
}

TEST_F(Faults, NoRoomToSaveEndsAllRanksWith4) {
  Process process(train_on(2, "full", {"checkpoint.every=40 steps", "checkpoint.async=false"}), folder.path());
  ASSERT_TRUE(reached("full", 2));
  // The limit was higher when the run began, or that would have been its end.
  const rlimit limit = {300 << 10, 300 << 10};  // weights and moments take 660 kB
  for (const int rank : {0, 1}) ASSERT_EQ(::prlimit(process_of("full", rank), RLIMIT_FSIZE, &limit, nullptr), 0);
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_TRUE(has(result.err, "cannot save step")) << result.err;
  EXPECT_TRUE(list_checkpoints(run_dir("full")).empty());
}

TEST_F(Faults, ADamagedCheckpointIsPassedOverByAllRanks) {
  ASSERT_EQ(run_process(train_on(2, "whole"), folder.path()).exit_code, 0);
  Process process(train_on(2, "damaged"), folder.path());
  ASSERT_TRUE(reached("damaged", 50));
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait().exit_code, 75);
  const auto newest = list_checkpoints(run_dir("damaged")).back().path / "optimizer-00001.safetensors";
  auto bytes = read_file(newest);
  bytes[bytes.size() - 100] ^= 1;
  write_file_atomic(newest, bytes);
  const auto result = run_process(train_on(2, "damaged"), folder.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "passing over")) << result.err;
  EXPECT_EQ(weights("damaged", 300), weights("whole", 300));
}

TEST_F(Faults, SpikesAreSkippedThenPassedOverThenEndTheRun) {
  // Losses of a model that hardly learns lie above their mean by half a deviation every few steps.
  const std::vector<std::string> nervous{"optim.optimizer.lr=1e-7",
                                         "train.spikes={window: 8, sigma: 0.5, skips: 1, rewinds: 1}",
                                         "log.samples=true", "checkpoint.every=4 steps"};
  for (const int world : {1, 2}) {
    const auto name = "spikes" + std::to_string(world);
    const auto result = run_process(world == 1 ? train(name, nervous) : train_on(world, name, nervous), folder.path());
    ASSERT_EQ(result.exit_code, 5) << result.err;
    EXPECT_TRUE(has(result.err, "went back from step")) << result.err;
    const auto events = events_of(name);
    const auto rewound = std::find_if(events.begin(), events.end(),
                                      [](const nlohmann::json& event) { return event.at("event") == "rewound"; });
    ASSERT_NE(rewound, events.end());
    EXPECT_EQ(events.back().at("event"), "skipped_step");
    const auto checkpoint = rewound->at("step").get<std::int64_t>();
    const auto from = rewound->at("from_step").get<std::int64_t>();
    EXPECT_EQ(checkpoint % 4, 0);
    EXPECT_GT(from, checkpoint);
    // The step after the checkpoint goes on with the samples after those of the spike.
    const auto samples = committed_samples(name).at(checkpoint + 1);
    EXPECT_EQ(samples.front(), from * 4);
    EXPECT_FALSE(list_checkpoints(run_dir(name)).empty());
  }
  EXPECT_EQ(losses("spikes1").size(), losses("spikes2").size());
}

TEST_F(Faults, RanksThatDoNotFitTogetherAreRefusedByName) {
  const int port = free_port();
  auto first = start_rank(0, 2, port, train("mixed"));
  auto second = start_rank(1, 2, port, train("mixed", {"optim.optimizer.lr=3e-3"}));
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_TRUE(has(result.err, "optim.optimizer.lr is 0.003, on rank 0 0.001")) << result.err;
  EXPECT_TRUE(has(result.err, "rank 1 (process")) << result.err;
  EXPECT_EQ(second->wait().exit_code, 6);
  EXPECT_FALSE(fs::exists(run_dir("mixed") / "metrics.jsonl"));
}

TEST_F(Faults, OtherDataOnOneRankIsRefused) {
  const int port = free_port();
  fs::create_directories(folder / "other");
  fs::copy_file(source_path("configs/test/tiny.txt"), folder / "text.txt");
  write_file_atomic(folder / "other/text.txt", "another text\n\nof two documents\n\n and a third one\n\n");
  const std::vector<std::string> config{"data.train.paths=[$TEXT/text.txt]"};
  auto own_cache = [&](const std::string& cache) {
    auto out = train("data", config);
    out.push_back("data.cache=" + cache);
    return out;
  };
  auto first = start_rank(0, 2, port, own_cache("cache0"), {{"TEXT", folder.path().string()}});
  auto second = start_rank(1, 2, port, own_cache("cache1"),
                           {{"TEXT", (folder / "other").string()}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}});
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_TRUE(has(result.err, "rank 1")) << result.err;
  EXPECT_EQ(second->wait().exit_code, 3);
}

TEST_F(Faults, AMistakeInTheConfigIsSaidOnce) {
  const auto result = run_process(train_on(3, "typo", {"model.d_modl=3"}), folder.path());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "model.d_modl: unknown key")) << result.err;
  EXPECT_EQ(result.err.find("error:"), result.err.rfind("error:")) << result.err;
}

TEST_F(Faults, AConfigThatOneRankCannotReadIsSaidByAll) {
  const int port = free_port();
  const std::map<std::string, std::string> secret{{"INGOT_SECRET", "a secret of both ranks"}};
  auto first = start_rank(0, 2, port, train("unread"), secret);
  auto second = start_rank(1, 2, port, command({"train", "missing.yaml"}), secret);
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_TRUE(has(result.err, "missing.yaml")) << result.err;
  EXPECT_EQ(second->wait().exit_code, 6);
}

TEST_F(Faults, WithoutASharedSecretARankThatCannotReadItsConfigSaysSoItself) {
  auto alone = start_rank(1, 2, free_port(), command({"train", "missing.yaml"}));
  const auto result = alone->wait();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "missing.yaml")) << result.err;
}

class RandomKills : public Ranks {};

TEST_F(RandomKills, EndWithTheBitsOfAnUndisturbedRun) {
  constexpr int kWorld = 2;
  const std::vector<std::string> often{"train.duration=60 steps", "checkpoint.every=1 steps"};
  ASSERT_EQ(run_process(train_on(kWorld, "whole", often), folder.path()).exit_code, 0);
  std::mt19937 random(20261127);
  std::uniform_int_distribution<int> moment(100, 2500), victim(0, kWorld - 1);
  int kills = 0;
  for (int attempt = 0; attempt < 100 && kills < 20; ++attempt) {
    Process process(train_on(kWorld, "killed", often), folder.path());
    if (process.ended_within(moment(random) / 1000.0)) {
      ASSERT_EQ(process.wait().exit_code, 0);
      fs::remove_all(run_dir("killed"));  // again from the start
      continue;
    }
    const auto pid = process_of("killed", victim(random));
    if (pid != 0) {
      ::kill(pid, SIGKILL);
      ++kills;
    }
    process.wait();
  }
  EXPECT_EQ(kills, 20);
  const auto last = run_process(train_on(kWorld, "killed", often), folder.path());
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(weights("killed", 60), weights("whole", 60));
}

}  // namespace
}  // namespace ingot
