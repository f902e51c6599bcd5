// kill -9 while saving, many times, at any moment: a folder with a final name is complete, and what was reported as
// saved is there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/log.h"
#include "base/random.h"
#include "checkpoint/sample_state.h"
#include "checkpoint/saver.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::holds_sample;
using testing::sample_state;
using testing::TempDir;

/// The child: goes on from the newest checkpoint and saves as fast as it can, writing each committed step to `pipe`.
[[noreturn]] void save_forever(const fs::path& run_dir, bool async, int pipe) {
  try {
    CheckpointSaver saver({run_dir, async, {.keep_last = 2}});
    const NewestCheckpoint newest = find_newest_valid(run_dir);
    for (std::int64_t step = newest.found ? newest.found->step + 1 : 1;; ++step) {
      saver.save(sample_state(step));
      const auto last = saver.last();
      const std::int64_t committed = last ? last->step : -1;
      if (::write(pipe, &committed, sizeof committed) != sizeof committed) ::_exit(1);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  ::_exit(1);
}

/// The last step that a killed child reported.
std::int64_t drain(int pipe) {
  std::int64_t last = -1;
  std::int64_t step = -1;
  while (::read(pipe, &step, sizeof step) == sizeof step) last = step;
  ::close(pipe);
  return last;
}

/// Whether a save was left half-way.
bool unfinished(const fs::path& folder) {
  for (const std::string& name : testing::names_in(folder)) {
    if (name.rfind(".tmp-step-", 0) == 0) return true;
  }
  return false;
}

/// Starts a child, kills it within 30 ms, and returns the last step that it reported, or -1.
std::int64_t killed_round(const fs::path& run_dir, bool async, RandomStream& random) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  if (child == 0) save_forever(run_dir, async, pipe[1]);
  ::close(pipe[1]);
  std::this_thread::sleep_for(std::chrono::microseconds(random.below(30000)));
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
  return drain(pipe[0]);
}

void kill_while_saving(bool async) {
  const TempDir run(testing::fast_folder());
  log::set_terminal_level(log::Level::kWarning);  // every child removes what the one before left
  RandomStream random(1, "kill");
  std::int64_t reported = -1;
  // Kills that hit a save at work, without which the test would prove nothing.
  int cut_short = 0;
  for (int round = 0; round < 1000 && cut_short < 30; ++round) {
    reported = std::max(reported, killed_round(run.path(), async, random));
    if (fs::exists(run / "checkpoints")) cut_short += unfinished(run / "checkpoints");
    const NewestCheckpoint newest = find_newest_valid(run.path());
    for (const PassedOver& broken : newest.passed_over) ADD_FAILURE() << broken.path << ": " << broken.reason;
    if (reported < 0) continue;
    ASSERT_TRUE(newest.found) << "round " << round;
    EXPECT_GE(newest.found->step, reported);
    for (const auto& checkpoint : list_checkpoints(run.path())) EXPECT_TRUE(holds_sample(checkpoint.path));
  }
  log::set_terminal_level(log::Level::kInfo);
  EXPECT_GE(cut_short, 30);
  EXPECT_GT(reported, 0);
}

TEST(CheckpointKill, SynchronousSaves) { kill_while_saving(false); }
TEST(CheckpointKill, BackgroundSaves) { kill_while_saving(true); }

}  // namespace
}  // namespace ingot
