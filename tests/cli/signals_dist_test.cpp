// Requests to stop: whenever they come, and however often.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "cli/ranks.h"

namespace ingot {
namespace {

using namespace testing;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void pause(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return true;
    pause(5);
  }
  return false;
}

class Signals : public Ranks {
 protected:
  // Of tests that run under nohup, the program would ignore it too.
  void SetUp() override { ::signal(SIGHUP, SIG_DFL); }
  static const inline std::vector<std::string> kLong{"train.duration=100000 steps", "checkpoint.every=100000 steps"};

  /// Whether the process has come so far that it handles SIGTERM.
  static bool listens(const Process& process) {
    std::ifstream file("/proc/" + std::to_string(process.pid()) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("SigCgt:", 0) == 0) return (std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
    }
    return false;
  }
  /// Sends the signals in turns until the process has ended.
  static ProcessResult press(Process& process, const std::vector<int>& signals) {
    for (std::size_t i = 0; !process.ended_within(0.003); ++i) process.signal(signals[i % signals.size()]);
    return process.wait();
  }
  bool holds_checkpoint(const std::string& name) const { return list_checkpoints(run_dir(name)).size() == 1; }
};

TEST_F(Signals, AsManyAsComeStopTheRunOnceAfterSaving) {
  for (const int first : {SIGHUP, SIGTERM}) {
    const auto name = "pressed" + std::to_string(first);
    Process process(train(name, kLong), folder.path());
    ASSERT_TRUE(reached(name, 3));
    const auto result = press(process, {first, SIGTERM, SIGHUP, SIGUSR1});
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_TRUE(holds_checkpoint(name));
    EXPECT_EQ(status(name).at("state"), "stopped");
    EXPECT_EQ(status(name).at("reason"), first == SIGHUP ? "SIGHUP" : "SIGTERM");
  }
}

TEST_F(Signals, AsManyAsComeToTheLauncherAndItsRanksToo) {
  Process process(train_on(2, "ranks", kLong), folder.path());
  ASSERT_TRUE(reached("ranks", 3));
  const auto rank = process_of("ranks", 1);
  ASSERT_NE(rank, 0);
  for (int i = 0; i < 20 && !process.ended_within(0.005); ++i) {
    process.signal(SIGTERM);
    ::kill(rank, SIGTERM);
  }
  const auto result = press(process, {SIGTERM, SIGUSR1});
  EXPECT_EQ(result.exit_code, 75) << result.err;
  EXPECT_TRUE(holds_checkpoint("ranks"));
}

TEST_F(Signals, BeforeTheFirstStepStopTheStart) {
  for (const int world : {1, 2}) {
    const auto name = "starting" + std::to_string(world);
    Process process(world == 1 ? train(name, kLong) : train_on(world, name, kLong), folder.path());
    ASSERT_TRUE(comes_true([&] { return listens(process); }));
    process.signal(SIGTERM);
    ASSERT_TRUE(process.ended_within(30));
    const auto result = process.wait();
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_FALSE(has(result.err, "error:")) << result.err;
    EXPECT_TRUE(has(result.err, "stopped on SIGTERM")) << result.err;
  }
}

TEST_F(Signals, AfterTheEndChangeNothing) {
  for (const int world : {1, 2}) {
    const auto name = "done" + std::to_string(world);
    const std::vector<std::string> brief{"train.duration=2 steps"};
    Process process(world == 1 ? train(name, brief) : train_on(world, name, brief), folder.path());
    ASSERT_TRUE(comes_true([&] {
      std::error_code missing;
      return fs::exists(run_dir(name) / "status.json", missing) && status(name).at("state") == "done";
    }));
    const auto result = press(process, {SIGTERM, SIGHUP, SIGUSR1});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

TEST_F(Signals, TheSecondInterruptEndsAllRanksAtOnce) {
  Process process(train_on(2, "interrupted", kLong), folder.path());
  ASSERT_TRUE(reached("interrupted", 2));
  // A rank that is stopped cannot save: only an end at once ends it.
  ::kill(process_of("interrupted", 1), SIGSTOP);
  process.signal(SIGINT);
  EXPECT_FALSE(process.ended_within(0.2));
  process.signal(SIGINT);
  EXPECT_TRUE(process.ended_within(10));
  EXPECT_EQ(process.wait().exit_code, 130);
  for (const int rank : {0, 1}) EXPECT_EQ(process_of("interrupted", rank), 0) << rank;
}

TEST_F(Signals, AReaderOfTheLogMayLeave) {
  std::string line;
  for (const auto& word : train("unread", {"train.duration=30 steps"})) line += "'" + word + "' ";
  const auto result = run_process({"/bin/bash", "-c", line + "2>&1 | head -n 1; exit ${PIPESTATUS[0]}"}, folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(status("unread").at("state"), "done");
  EXPECT_TRUE(has(read_file(run_dir("unread") / "log.txt"), "step 30/30"));
}

TEST_F(Signals, ARunThatWasStoppedInItsLastEvaluationEvaluatesWhenItGoesOn) {
  const std::vector<std::string> brief{"train.duration=20 steps", "checkpoint.every=100 steps",
                                       "evaluation.tokens=100M"};
  ASSERT_EQ(run_process(train("whole", brief), folder.path()).exit_code, 0);
  Process process(train("cut", brief), folder.path());
  ASSERT_TRUE(reached("cut", 20));
  process.signal(SIGTERM);
  const auto cut = process.wait();
  ASSERT_EQ(cut.exit_code, 75) << cut.err;
  ASSERT_EQ(run_process(train("cut", brief), folder.path()).exit_code, 0);
  EXPECT_EQ(weights("cut", 20), weights("whole", 20));
  EXPECT_EQ(nlohmann::json::parse(read_file(run_dir("cut") / "summary.json")).at("evaluation"),
            nlohmann::json::parse(read_file(run_dir("whole") / "summary.json")).at("evaluation"));
}

class Text : public Signals {
 protected:
  void SetUp() override {
    Signals::SetUp();
    std::mt19937 random(1);
    std::string text;
    while (text.size() < std::size_t{48} << 20) text += std::to_string(random()) + (random() % 8 == 0 ? "\n\n" : " ");
    write_file_atomic(folder / "long.txt", text);
  }
  /// Whether shards are being written below the folder.
  bool is_tokenising(const fs::path& below) const {
    std::error_code changing;
    for (auto it = fs::recursive_directory_iterator(below, changing); !changing && it != fs::end(it);
         it.increment(changing)) {
      std::error_code gone;
      if (it->path().extension() == ".bin" || it->path().string().find(".bin.") != std::string::npos) {
        if (fs::file_size(it->path(), gone) > 0 && !gone) return true;
      }
    }
    return false;
  }
  const std::vector<std::string> data_{"data.train.paths=long.txt", "data.train.documents=blank_line",
                                       "data.tokenizer=bytes", "train.duration=2 steps", "evaluation.tokens=1000"};
};

TEST_F(Text, ARunStopsWhileItsTextIsTokenised) {
  for (const int world : {1, 2}) {
    const auto name = "text" + std::to_string(world);
    auto arguments = data_;
    arguments.push_back("data.cache=" + name + "-cache");
    Process process(world == 1 ? train(name, arguments) : train_on(world, name, arguments), folder.path());
    ASSERT_TRUE(comes_true([&] { return is_tokenising(folder / (name + "-cache")); }));
    process.signal(world == 1 ? SIGINT : SIGTERM);
    ASSERT_TRUE(process.ended_within(30));
    const auto result = process.wait();
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_TRUE(has(result.err, "while the data was being prepared")) << result.err;
    EXPECT_EQ(status(name).at("state"), "stopped");
    const auto later =
        run_process(world == 1 ? train(name, arguments) : train_on(world, name, arguments), folder.path());
    EXPECT_EQ(later.exit_code, 0) << later.err;
  }
}

TEST_F(Text, TokeniseStopsAndGoesOn) {
  const auto line = command({"tokenize", "long.txt", "--documents", "blank_line", "--tokenizer", "bytes", "--workers",
                             "1", "--out", "shards"});
  Process process(line, folder.path());
  ASSERT_TRUE(comes_true([&] { return is_tokenising(folder / "shards"); }));
  process.signal(SIGTERM);
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, 75) << result.err;
  EXPECT_FALSE(fs::exists(folder / "shards/manifest.json"));
  EXPECT_FALSE(fs::exists(folder / "shards/train.bin"));
  EXPECT_EQ(run_process(line, folder.path()).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder / "shards/manifest.json"));
}

class Stop : public Signals {};

TEST_F(Stop, IsHeardByARunThatStarts) {
  Process process(train("starts", kLong), folder.path());
  ASSERT_TRUE(comes_true([&] { return fs::exists(run_dir("starts") / "run.lock"); }));
  ProcessResult asked;
  ASSERT_TRUE(comes_true([&] { return (asked = ingot({"stop", "runs/starts"})).exit_code == 0; }));
  EXPECT_TRUE(has(asked.out, "was asked to stop")) << asked.out << asked.err;
  ASSERT_TRUE(process.ended_within(30));
  EXPECT_EQ(process.wait().exit_code, 75);
}

TEST_F(Stop, AnOldRequestIsNone) {
  fs::create_directories(run_dir("again"));
  write_file_atomic(run_dir("again") / ".ingot", "ingot run\n");  // what a start leaves that comes to nothing
  write_file_atomic(run_dir("again") / "STOP", "");
  const auto result = run_process(train("again", {"train.duration=3 steps"}), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

class OneTask : public Ranks {};

TEST_F(OneTask, OfSlurmMakesTheRanksOfNproc) {
  std::vector<std::string> line{"/usr/bin/env",
                                "SLURM_JOB_ID=77",
                                "SLURM_NTASKS=1",
                                "SLURM_PROCID=0",
                                "SLURM_LOCALID=0",
                                "SLURM_NODEID=0",
                                "SLURM_STEP_ID=0",
                                "SLURM_STEP_NUM_TASKS=1",
                                "SLURM_STEP_NODELIST=n1",
                                "SLURM_JOB_NODELIST=n1",
                                "SLURM_STEP_TASKS_PER_NODE=1"};
  const auto own = train_on(2, "shell", {"train.duration=3 steps"});
  line.insert(line.end(), own.begin(), own.end());
  const auto result = run_process(line, folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "2 ranks, started by --nproc")) << result.err;
}

}  // namespace
}  // namespace ingot
