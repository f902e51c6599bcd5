#include "dist/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/files.h"
#include "base/host.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/launch.h"
#include "dist/loopback.h"
#include "dist/secret.h"

namespace ingot {
namespace {

// After the first failure: how long the others may take to find out and save what they can, then to end on request.
constexpr double kGraceSeconds = 20;
constexpr double kTerminateSeconds = 10;
constexpr int kPollMilliseconds = 20;
constexpr std::size_t kInterrupt = 1;
static_assert(StopSignals::kNumbers[kInterrupt] == SIGINT);

Error system_error(const char* what) {
  return Error(ExitCode::kOther, cat("--nproc: ", what, ": ", std::strerror(errno)));
}

[[noreturn]] void become_rank(int rank, int count, const LoopbackListener& listener, pid_t parent,
                              const std::vector<std::string>& arguments, const std::string& program,
                              const std::string& secret) {
  // A group of its own: Ctrl-C reaches the parent alone, which passes it on once.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
  set("RANK", std::to_string(rank));
  set("LOCAL_RANK", std::to_string(rank));
  set("WORLD_SIZE", std::to_string(count));
  set("LOCAL_WORLD_SIZE", std::to_string(count));
  set("MASTER_ADDR", "127.0.0.1");
  set("MASTER_PORT", std::to_string(listener.port));
  set(kNprocVariable, std::to_string(count));
  set(kSecretVariable, secret);
  if (rank == 0) {
    ::fcntl(listener.fd, F_SETFD, 0);
    set(kStoreFdVariable, std::to_string(listener.fd));
  }
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

/// How the ranks ended so far.
class Ranks {
 public:
  void add(pid_t pid, int rank) { running_[pid] = rank; }
  bool any() const { return !running_.empty(); }
  void forget(pid_t pid) { running_.erase(pid); }
  void signal(int number) const {
    for (const auto& [pid, rank] : running_) ::kill(pid, number);
  }
  /// Those that are stopped cannot end on request.
  void end_stopped() const {
    for (const auto& [pid, rank] : running_) {
      if (stopped_.count(pid) != 0) ::kill(pid, SIGKILL);
    }
  }
  const std::optional<Clock::time_point>& failed_at() const { return failed_at_; }

  void changed(pid_t pid, int status) {
    const auto found = running_.find(pid);
    if (found == running_.end()) return;
    const int rank = found->second;
    if (WIFCONTINUED(status)) {
      stopped_.erase(pid);
      return;
    }
    if (WIFSTOPPED(status)) {
      stopped_.insert(pid);
      log::warning(cat("rank ", rank, " (process ", pid, ") was stopped by signal ", WSTOPSIG(status), " (",
                       ::strsignal(WSTOPSIG(status)), "): the others wait for distributed.timeout; kill -CONT ", pid,
                       " lets it go on"));
      return;
    }
    running_.erase(found);
    if (WIFSIGNALED(status)) {
      // Those that this process ended itself are no news.
      if (!failed_at_) {
        log::error(cat("rank ", rank, " (process ", pid, ") was ended by signal ", WTERMSIG(status), " (",
                       ::strsignal(WTERMSIG(status)),
                       WTERMSIG(status) == SIGKILL ? "; the kernel's log tells whether memory ran out)" : ")"));
      }
      note(static_cast<int>(ExitCode::kDistributed));
    } else {
      note(WEXITSTATUS(status));
    }
  }

  ExitCode code() const { return static_cast<ExitCode>(code_); }

 private:
  void note(int code) {
    constexpr int kStopped = static_cast<int>(ExitCode::kStopped), kPeer = static_cast<int>(ExitCode::kDistributed);
    const bool failed = code != 0 && code != kStopped;
    if (failed && !failed_at_) failed_at_ = Clock::now();
    // A reason of a rank's own says more than that a peer failed, and this more than a stop.
    const auto weight = [&](int c) { return c == 0 ? 0 : c == kStopped ? 1 : c == kPeer ? 2 : 3; };
    if (weight(code) > weight(code_)) code_ = code;
  }
  std::map<pid_t, int> running_;
  std::set<pid_t> stopped_;
  std::optional<Clock::time_point> failed_at_;
  int code_ = 0;
};

/// Passes on the requests to stop that came since the last call. False if all is to end at once.
bool pass_on(const Ranks& ranks, std::array<int, StopSignals::kNumbers.size()>& passed) {
  for (std::size_t i = 0; i < passed.size(); ++i) {
    for (const int count = StopSignals::count(i); passed[i] < count; ++passed[i]) {
      if (i == kInterrupt && passed[i] >= 1) return false;
      ranks.signal(StopSignals::kNumbers[i]);
    }
  }
  return true;
}

/// Returns when all have ended; false if a second Ctrl-C ended them.
bool supervise(Ranks& ranks) {
  std::array<int, StopSignals::kNumbers.size()> passed{};
  bool killed = false;
  int ended_by = 0;  // the last signal sent to make an end
  while (ranks.any()) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid > 0) {
      if (!killed) ranks.changed(pid, status);
      if (killed && (WIFEXITED(status) || WIFSIGNALED(status))) ranks.forget(pid);
      continue;
    }
    if (!killed && !pass_on(ranks, passed)) {
      ranks.signal(SIGKILL);
      killed = true;
    }
    if (!killed && ranks.failed_at()) {
      const double waited = seconds_since(*ranks.failed_at());
      const int wanted = waited > kGraceSeconds + kTerminateSeconds ? SIGKILL : waited > kGraceSeconds ? SIGTERM : 0;
      ranks.end_stopped();
      if (wanted != ended_by) {
        log::warning(cat("a rank failed ", static_cast<int>(waited), " s ago: ending the others"));
        ranks.signal(wanted);
        ended_by = wanted;
      }
    }
    ::usleep(kPollMilliseconds * 1000);
  }
  return !killed;
}

}  // namespace

ExitCode run_ranks(int count, const std::vector<std::string>& arguments) {
  const auto listener = listen_on_loopback();
  const auto program = executable_path().string();
  const auto secret = make_secret();
  const pid_t parent = ::getpid();
  StopSignals::count_interrupts();
  StopSignals::block();  // a request must find the ranks' programs or wait for them
  Ranks ranks;
  for (int rank = 0; rank < count; ++rank) {
    const pid_t pid = ::fork();
    if (pid == 0) become_rank(rank, count, listener, parent, arguments, program, secret);
    if (pid < 0) {
      const auto error = system_error("cannot start a rank");
      ranks.signal(SIGKILL);
      throw error;
    }
    ranks.add(pid, rank);
  }
  ::close(listener.fd);
  StopSignals::unblock();
  return supervise(ranks) ? ranks.code() : ExitCode::kInterrupted;
}

}  // namespace ingot
