#include "run/lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "run/holder.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

fs::path lock_of(const TempDir& run) { return run / "run.lock"; }

std::string refusal(const fs::path& run_dir, const RunLockOptions& options = {}) {
  return message_of<ConfigError>([&] { RunLock lock(run_dir, options); });
}

/// Makes the file look as if it was touched this long ago.
void set_age(const fs::path& file, double seconds) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec then{now.tv_sec - static_cast<time_t>(seconds), now.tv_nsec};
  const timespec times[2] = {then, then};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
}

/// Leaves the lock of `holder`, last touched this long ago.
void leave_lock(const TempDir& run, const LockHolder& holder, double age) {
  write_raw(lock_of(run), lock_detail::to_text(holder));
  set_age(lock_of(run), age);
}

LockHolder elsewhere() {
  LockHolder holder = this_process();
  holder.host = "node-3";
  holder.boot = "another";
  return holder;
}

/// Short times for tests that wait.
RunLockOptions quick() { return {.heartbeat_seconds = 0.02, .silence_seconds = 0.4, .poll_seconds = 0.01}; }

/// A child that sleeps until it is killed.
class Child {
 public:
  Child() : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;) ::pause();
  }
  ~Child() {
    if (!killed_) kill();
    reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }
  /// Ends it; until `reap` it is a zombie.
  void kill() {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
    killed_ = true;
  }
  void reap() {
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    reaped_ = true;
  }
  /// What its lock would say.
  LockHolder holder() const {
    LockHolder holder = this_process();
    holder.pid = pid_;
    std::istringstream stat(read_file("/proc/" + std::to_string(pid_) + "/stat"));
    std::string field;
    for (int i = 1; i <= 22; ++i) stat >> field;  // the name of a test binary has no blanks
    holder.start_ticks = std::stoll(field);
    return holder;
  }

 private:
  pid_t pid_;
  bool killed_ = false;
  bool reaped_ = false;
};

TEST(RunLock, IsHeldAndReleased) {
  const TempDir run;
  {
    RunLock lock(run.path());
    EXPECT_TRUE(fs::exists(lock_of(run)));
    EXPECT_NO_THROW(lock.check());
    const auto holder = current_holder(run.path());
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->pid, ::getpid());
    const std::string message = refusal(run.path());
    EXPECT_TRUE(has(message, run.path().string(), "in use by process " + std::to_string(::getpid()), holder->host,
                    holder->since, "ingot stop"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(lock_of(run)));
  EXPECT_FALSE(current_holder(run.path()));
  EXPECT_EQ(refusal(run.path()), "");
}

TEST(RunLock, MakesTheFolder) {
  const TempDir run;
  const RunLock lock(run / "runs/new");
  EXPECT_TRUE(fs::exists(run / "runs/new/run.lock"));
  EXPECT_TRUE(has(refusal("/proc/nowhere"), "/proc/nowhere/run.lock"));
}

TEST(RunLock, ALivingProcessOfThisHostHoldsIt) {
  const TempDir run;
  const Child child;
  leave_lock(run, child.holder(), 3600);  // silent (suspended, say), but alive
  EXPECT_TRUE(has(refusal(run.path()), "process " + std::to_string(child.pid())));
  EXPECT_TRUE(current_holder(run.path()));
}

TEST(RunLock, ADeadProcessOfThisHostFreesItAtOnce) {
  const TempDir run;
  Child child;
  const LockHolder holder = child.holder();
  leave_lock(run, holder, 0);
  child.kill();
  EXPECT_FALSE(current_holder(run.path())) << "a zombie holds nothing";
  EXPECT_EQ(refusal(run.path()), "");
  child.reap();
  leave_lock(run, holder, 0);
  EXPECT_FALSE(current_holder(run.path()));
  EXPECT_EQ(refusal(run.path()), "");
}

TEST(RunLock, AnotherProcessOfTheSameNumberDoesNotHoldIt) {
  const TempDir run;
  const Child child;
  LockHolder holder = child.holder();
  holder.start_ticks -= 1;
  leave_lock(run, holder, 0);
  EXPECT_FALSE(current_holder(run.path()));
  EXPECT_EQ(refusal(run.path()), "");
}

TEST(RunLock, OurOwnJobFreesItAtOnce) {
  const TempDir run;
  LockHolder holder = elsewhere();
  holder.job = "SLURM_JOB_ID=17";
  leave_lock(run, holder, 0);
  RunLockOptions options;
  options.self.job = "SLURM_JOB_ID=17";
  EXPECT_EQ(refusal(run.path(), options), "");
  // Beside a living process of the same host the job says nothing.
  const Child child;
  holder = child.holder();
  holder.job = "SLURM_JOB_ID=17";
  leave_lock(run, holder, 0);
  EXPECT_NE(refusal(run.path(), options), "");
}

TEST(RunLock, AnotherHostsSilenceFreesItAfterAMinute) {
  const TempDir run;
  leave_lock(run, elsewhere(), 61);
  EXPECT_FALSE(current_holder(run.path()));
  EXPECT_EQ(refusal(run.path()), "");
  leave_lock(run, elsewhere(), 30);
  EXPECT_TRUE(current_holder(run.path()));
  leave_lock(run, elsewhere(), -1000);  // a clock that runs ahead is no silence
  EXPECT_TRUE(current_holder(run.path()));
}

TEST(RunLock, AnotherHostIsGivenTheWholeTime) {
  const TempDir run;
  leave_lock(run, elsewhere(), 0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(refusal(run.path(), quick()), "");
  const double waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(waited, 0.3);  // 0.4 less the age of the file when first looked at
}

TEST(RunLock, ASignOfLifeFromAnotherHostRefuses) {
  const TempDir run;
  RunLockOptions options = quick();
  options.silence_seconds = 60;
  options.self = elsewhere();
  const RunLock other(run.path(), options);  // beats from "node-3"
  options.self = this_process();
  EXPECT_TRUE(has(refusal(run.path(), options), "node-3"));
}

TEST(RunLock, AContainerOfThisHostCountsAsAnotherHost) {
  const TempDir run;
  LockHolder holder = this_process();
  holder.pid_namespace = "pid:[1]";
  holder.pid = 1 << 22;  // no such process here, but there may be one in there
  leave_lock(run, holder, 5);
  EXPECT_TRUE(current_holder(run.path()));
}

TEST(RunLock, AnUnreadableLockIsHeldUntilItIsSilent) {
  const TempDir run;
  write_raw(lock_of(run), "{\"host\": ");
  set_age(lock_of(run), 61);
  EXPECT_EQ(refusal(run.path()), "");
  write_raw(lock_of(run), "");
  EXPECT_EQ(refusal(run.path(), quick()), "");
}

TEST(RunLock, BeatsWhileItIsHeld) {
  const TempDir run;
  const RunLock lock(run.path(), quick());
  set_age(lock_of(run), 1000);
  for (int i = 0; i < 500 && lock_detail::age_of(lock_of(run)) > 500; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(lock_detail::age_of(lock_of(run)), 500);
}

TEST(RunLock, NoticesThatItWasTakenAway) {
  const TempDir run;
  RunLock lock(run.path(), quick());
  fs::remove(lock_of(run));
  leave_lock(run, elsewhere(), 0);
  EXPECT_TRUE(has(message_of<ConfigError>([&] { lock.check(); }), run.path().string(), "node-3", "suspended"));
  EXPECT_TRUE(lock.lost());
}

TEST(RunLock, LeavesTheNewHoldersLockAlone) {
  const TempDir run;
  {
    const RunLock lock(run.path(), quick());
    write_raw(run / "new", lock_detail::to_text(elsewhere()));
    fs::rename(run / "new", lock_of(run));
    for (int i = 0; i < 500 && !lock.lost(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(lock.lost());
  }
  EXPECT_TRUE(has(read_file(lock_of(run)), "node-3"));
}

TEST(RunLock, IsWrittenAgainIfSomebodyRemovesIt) {
  const TempDir run;
  RunLock lock(run.path(), quick());
  fs::remove(lock_of(run));
  for (int i = 0; i < 500 && !fs::exists(lock_of(run)); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(fs::exists(lock_of(run)));
  EXPECT_NO_THROW(lock.check());
}

/// Tries for the lock, holds it until the pipe is closed, and tells by its exit status: 0 had it, 2 was refused.
[[noreturn]] void contend(const fs::path& run_dir, const int (&pipe)[2]) {
  ::close(pipe[1]);
  ::close(STDERR_FILENO);
  int code = 1;
  try {
    const RunLock lock(run_dir);
    char byte = 0;
    while (::read(pipe[0], &byte, 1) > 0) {
    }
    code = 0;
  } catch (const ConfigError&) {
    code = 2;
  }
  ::_exit(code);
}

/// Processes that start at the same time on a lock left by a dead one: exactly one gets it.
TEST(RunLock, OneOfManyGetsIt) {
  constexpr int kProcesses = 8;
  for (int round = 0; round < 20; ++round) {
    const TempDir run;
    LockHolder dead = this_process();
    dead.start_ticks -= 1;
    leave_lock(run, dead, 0);
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) contend(run.path(), pipe);
    }
    ::close(pipe[0]);
    std::vector<int> codes;
    const auto collect = [&](std::size_t count) {
      for (int tries = 0; codes.size() < count && tries < 3000; ++tries) {
        int status = 0;
        if (::waitpid(-1, &status, WNOHANG) > 0) {
          codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        } else {
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
      }
    };
    collect(kProcesses - 1);  // the refused ones; the holder waits
    ::close(pipe[1]);
    collect(kProcesses);
    EXPECT_EQ(std::count(codes.begin(), codes.end(), 0), 1) << "round " << round;
    EXPECT_EQ(std::count(codes.begin(), codes.end(), 2), kProcesses - 1) << "round " << round;
    for (const auto& entry : fs::directory_iterator(run.path())) ADD_FAILURE() << "left behind: " << entry.path();
  }
}

TEST(RunLock, ATakeoverThatWasKilledDoesNotBlock) {
  const TempDir run;
  LockHolder dead = this_process();
  dead.start_ticks -= 1;
  leave_lock(run, dead, 0);
  write_raw(run / "run.lock.takeover", "");
  set_age(run / "run.lock.takeover", 11);
  EXPECT_EQ(refusal(run.path()), "");
}

}  // namespace
}  // namespace ingot
