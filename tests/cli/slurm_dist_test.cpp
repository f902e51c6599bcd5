// scripts/slurm with stand-ins of srun and scontrol.

#include <gtest/gtest.h>
#include <signal.h>

#include "checkpoint/checkpoint.h"
#include "cli/ranks.h"

namespace ingot {
namespace {

using namespace testing;

// Starts two tasks on one node and hands SIGUSR1 on to them; its exit code is the largest of theirs.
constexpr const char* kSrun = R"(#!/bin/bash
while [[ $1 == --* ]]; do shift; done
export SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost SLURM_STEP_TASKS_PER_NODE=2 SLURM_NODEID=0
tasks=()
trap 'kill -USR1 "${tasks[@]}"' USR1
for rank in 0 1; do
  SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" &
  tasks+=($!)
done
echo $$ > srun.pid
code=0
for task in "${tasks[@]}"; do
  while kill -0 "$task" 2> /dev/null; do wait "$task"; done
  wait "$task"
  own=$?
  ((own > code)) && code=$own
done
exit $code
)";
constexpr const char* kScontrol = R"(#!/bin/bash
echo "$*" >> scontrol.log
)";

class Slurm : public Ranks {
 protected:
  void SetUp() override {
    job_ = std::to_string(free_port());
    fs::create_directories(folder / "bin");
    for (const auto& [name, text] : {std::pair{"srun", kSrun}, {"scontrol", kScontrol}}) {
      write_file_atomic(folder / "bin" / name, text);
      fs::permissions(folder / "bin" / name, fs::perms::owner_all);
    }
  }
  /// `bash SCRIPT arguments` as Slurm would start it.
  std::vector<std::string> job(const std::string& script, const std::vector<std::string>& arguments,
                               const std::string& array_task = "1") const {
    std::vector<std::string> line{"/usr/bin/env",
                                  "PATH=" + (folder / "bin").string() + ":/usr/bin:/bin",
                                  std::string("INGOT=") + INGOT_BINARY,
                                  "SLURM_SUBMIT_DIR=" + source_path("."),
                                  "SLURM_JOB_ID=" + job_,
                                  "SLURM_ARRAY_TASK_ID=" + array_task,
                                  "/bin/bash",
                                  source_path("scripts/slurm/" + script)};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return line;
  }
  /// What the tests' ranks train, without the words `ingot train`.
  std::vector<std::string> run_line(const std::string& name) const {
    const auto line = train(name);
    return {line.begin() + 2, line.end()};
  }
  int requeues() const {
    if (!fs::exists(folder / "scontrol.log")) return 0;
    const auto text = read_file(folder / "scontrol.log");
    const auto wanted = "requeue " + job_ + "\n";
    int count = 0;
    for (std::size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; at += wanted.size()) ++count;
    return count;
  }
  std::string job_;
};

TEST_F(Slurm, AJobNearItsTimeLimitSavesAndIsRequeuedUntilDone) {
  ASSERT_EQ(run_process(train_on(2, "whole"), folder.path()).exit_code, 0);
  Process process(job("train.sbatch", run_line("job")), folder.path());
  ASSERT_TRUE(reached("job", 50));
  ::kill(std::stoi(read_file(folder / "srun.pid")), SIGUSR1);
  const auto stopped = process.wait();
  EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
  EXPECT_EQ(requeues(), 1) << stopped.err;
  const auto done = run_process(job("train.sbatch", run_line("job")), folder.path());
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(requeues(), 1);
  EXPECT_EQ(weights("job", 300), weights("whole", 300));
}

TEST_F(Slurm, TheStopFileEndsItForGood) {
  Process process(job("train.sbatch", run_line("job")), folder.path());
  ASSERT_TRUE(reached("job", 5));
  write_file_atomic(run_dir("job") / "STOP", "");
  const auto result = process.wait();
  EXPECT_EQ(result.exit_code, 75) << result.err;
  EXPECT_EQ(requeues(), 0);
}

TEST_F(Slurm, ALostRankIsRequeuedIfThereIsANewCheckpoint) {
  for (const bool saved : {true, false}) {
    const std::string name = saved ? "saved" : "unsaved";
    auto line = run_line(name);
    if (!saved) line.push_back("checkpoint.every=100000 steps");
    line.push_back("train.duration=100000 steps");
    Process process(job("train.sbatch", line), folder.path());
    ASSERT_TRUE(reached(name, 30));
    ::kill(status(name).at("pid").get<int>(), SIGKILL);
    const auto result = process.wait();
    EXPECT_EQ(result.exit_code, 137) << result.err;
    EXPECT_EQ(requeues(), 1) << result.err;
  }
}

TEST_F(Slurm, AMistakeIsNotRequeued) {
  auto line = run_line("typo");
  line.push_back("model.d_modl=3");
  const auto result = run_process(job("train.sbatch", line), folder.path());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("model.d_modl: unknown key"), std::string::npos) << result.err;
  EXPECT_EQ(requeues(), 0);
}

TEST_F(Slurm, AnArrayTaskTrainsItsLine) {
  std::string text;
  for (const std::string name : {"first", "second"}) {
    for (auto word : run_line(name)) text += "'" + word + "' ";
    text += "train.duration='20 steps' model.sites={embedding:\\ rms_norm}\n";
  }
  write_file_atomic(folder / "runs.txt", text);
  const auto result = run_process(job("array.sbatch", {"runs.txt"}, "2"), folder.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(fs::exists(run_dir("first")));
  EXPECT_EQ(list_checkpoints(run_dir("second")).size(), 1u);
  EXPECT_EQ(run_process(job("array.sbatch", {"runs.txt"}, "3"), folder.path()).exit_code, 2);
}

}  // namespace
}  // namespace ingot
