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

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "dist/launch.h"
#include "dist/loopback.h"

namespace ingot {
namespace {

// After the first failure: how long the others may take to find out and save what they can, then to end on request.
constexpr double kGraceSeconds = 20;
constexpr double kTerminateSeconds = 10;
constexpr int kPollMilliseconds = 20;

constexpr std::array<int, 3> kForwarded{SIGTERM, SIGINT, SIGUSR1};
// How often each signal came. Only what a handler may touch.
volatile std::sig_atomic_t pending[kForwarded.size()] = {};

void remember(int signal) {
  for (std::size_t i = 0; i < kForwarded.size(); ++i) {
    if (kForwarded[i] == signal) pending[i] = pending[i] + 1;
  }
}

void set_handlers(void (*handler)(int)) {
  for (const int signal : kForwarded) {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

Error system_error(const char* what) {
  return Error(ExitCode::kOther, cat("--nproc: ", what, ": ", std::strerror(errno)));
}

[[noreturn]] void become_rank(int rank, int count, const LoopbackListener& listener, pid_t parent,
                              const std::vector<std::string>& arguments, const std::string& program) {
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
  void signal(int number) const {
    for (const auto& [pid, rank] : running_) ::kill(pid, number);
  }
  const std::optional<Clock::time_point>& failed_at() const { return failed_at_; }

  void ended(pid_t pid, int status) {
    const auto found = running_.find(pid);
    if (found == running_.end()) return;
    const int rank = found->second;
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
  std::optional<Clock::time_point> failed_at_;
  int code_ = 0;
};

void supervise(Ranks& ranks) {
  int ended_by = 0;  // the last signal sent to make an end
  while (ranks.any()) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid > 0) {
      ranks.ended(pid, status);
      continue;
    }
    for (std::size_t i = 0; i < kForwarded.size(); ++i) {
      while (pending[i] > 0) {
        pending[i] = pending[i] - 1;
        ranks.signal(kForwarded[i]);
      }
    }
    if (ranks.failed_at()) {
      const double waited = seconds_since(*ranks.failed_at());
      const int wanted = waited > kGraceSeconds + kTerminateSeconds ? SIGKILL : waited > kGraceSeconds ? SIGTERM : 0;
      if (wanted != ended_by) {
        log::warning(cat("a rank failed ", static_cast<int>(waited), " s ago: ending the others"));
        ranks.signal(wanted);
        ended_by = wanted;
      }
    }
    ::usleep(kPollMilliseconds * 1000);
  }
}

}  // namespace

ExitCode run_ranks(int count, const std::vector<std::string>& arguments) {
  const auto listener = listen_on_loopback();
  const auto program = executable_path().string();
  const pid_t parent = ::getpid();
  for (auto& count_of_signal : pending) count_of_signal = 0;
  set_handlers(remember);
  Ranks ranks;
  for (int rank = 0; rank < count; ++rank) {
    const pid_t pid = ::fork();
    if (pid == 0) become_rank(rank, count, listener, parent, arguments, program);
    if (pid < 0) {
      const auto error = system_error("cannot start a rank");
      ranks.signal(SIGKILL);
      throw error;
    }
    ranks.add(pid, rank);
  }
  ::close(listener.fd);
  supervise(ranks);
  set_handlers(SIG_DFL);
  return ranks.code();
}

}  // namespace ingot
